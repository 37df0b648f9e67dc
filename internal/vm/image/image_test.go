// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/vm/job"
)

func TestFindKnowsListsAndSaysWhatThereIs(t *testing.T) {
	found, err := Find("5.10, 6.12-arm64")
	if err != nil || len(found) != 2 || found[0].Name() != "5.10-amd64" || found[1].Name() != "6.12-arm64" {
		t.Errorf("found %v, %v", found, err)
	}
	if all, err := Find("all"); err != nil || len(all) != len(Targets()) {
		t.Errorf("all gives %d of %d, %v", len(all), len(Targets()), err)
	}
	if _, err := Find("4.19"); !errors.Is(err, ErrTarget) || !strings.Contains(err.Error(), "6.1-amd64") {
		t.Errorf("error %v", err)
	}
}

func TestContinuousIntegrationCoversOldestAndNewest(t *testing.T) {
	ci, err := Find("ci")
	if err != nil {
		t.Fatal(err)
	}
	if first := Targets()[0]; ci[0].Name() != first.Name() {
		t.Errorf("oldest is %s, not %s", ci[0].Name(), first.Name())
	}
	if ci[len(ci)-1].Series != newest {
		t.Errorf("subset %v", ci)
	}
}

func TestInsmodLinesLeaveBuiltinsAndOptionsOut(t *testing.T) {
	out := "builtin ipv6\ninsmod /m/nf_tables.ko.xz \ninsmod /m/nft_ct.ko hashsize=1\n\n"
	if got := insmodLines(out); !slices.Equal(got, []string{"/m/nf_tables.ko.xz", "/m/nft_ct.ko"}) {
		t.Errorf("lines %q", got)
	}
}

func TestUnpackedKernelIsFoundWhereOldAndNewPackagesKeepIt(t *testing.T) {
	for _, path := range []string{"boot/vmlinuz-6.1.0", "usr/lib/modules/6.1.0/vmlinuz"} {
		root := t.TempDir()
		write(t, filepath.Join(root, path), "kernel")
		found := tree{root: root}
		if err := found.find(); err != nil || found.release != "6.1.0" || found.vmlinuz != filepath.Join(root, path) {
			t.Errorf("%s: found %+v, %v", path, found, err)
		}
	}
	if err := (&tree{root: t.TempDir()}).find(); err == nil {
		t.Error("a tree without a kernel passed")
	}
}

func TestInitrdPutsTheRunBehindTheBase(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "base.cpio"), "BASE")
	write(t, filepath.Join(dir, "program"), "PROGRAM")
	out := filepath.Join(dir, "initrd")
	script := job.Script{Jobs: []job.Job{{Name: "one"}}}
	if err := Initrd(Kernel{dir: dir}, out, script, []File{{Name: "/init", Path: filepath.Join(dir, "program")}}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, part := range []string{"BASE", "job.json", `"name":"one"`, "init", "PROGRAM", "TRAILER!!!"} {
		next := strings.Index(string(got), part)
		if next <= at {
			t.Errorf("%q stands at %d, after %d", part, next, at)
		}
		at = next
	}
}

func TestACachePackedByOtherWishesIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "kernel.json"), `{"release":"6.1.0","wishes":"`+wishSum()+`"}`)
	if k, ok := cached(dir); !ok || k.Release != "6.1.0" || k.Vmlinuz() != filepath.Join(dir, "vmlinuz") {
		t.Errorf("cached %+v, %v", k, ok)
	}
	write(t, filepath.Join(dir, "kernel.json"), `{"release":"6.1.0","wishes":"other"}`)
	if _, ok := cached(dir); ok {
		t.Error("an outdated cache passed")
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
