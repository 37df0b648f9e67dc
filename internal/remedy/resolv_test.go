// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func resolvFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestResolverOptionIsAppendedAndTakenBackByTheOldOne(t *testing.T) {
	const before = "search a.example\noptions ndots:5 rotate\noptions timeout:3\n"
	path := resolvFile(t, before)
	for option, old := range map[string]string{"ndots:2": "ndots:5", "timeout:1": "timeout:3", "attempts:1": "attempts:2"} {
		step := finding.Step{Op: finding.ResolvOp{Path: path, Option: option}}
		undo, err := Current(context.Background(), step)
		if want := (finding.ResolvOp{Path: path, Option: old}); err != nil || undo.Op != finding.Op(want) {
			t.Errorf("%s: undo %+v, %v", option, undo.Op, err)
		}
	}
	if err := Apply(context.Background(), finding.Step{Op: finding.ResolvOp{Path: path, Option: "ndots:2"}}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != before+"\noptions ndots:2\n" {
		t.Errorf("the file has %q, %v", got, err)
	}
}

func TestResolverOptionGoesIntoNoOtherFile(t *testing.T) {
	path := resolvFile(t, "")
	link := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, op := range []finding.ResolvOp{
		{Path: link, Option: "ndots:2"}, {Path: filepath.Join(t.TempDir(), "resolv.conf"), Option: "ndots:2"},
		{Path: "/etc/hosts", Option: "ndots:2"}, {Path: path, Option: "ndots:2\nnameserver 192.0.2.1"},
	} {
		if err := Apply(context.Background(), finding.Step{Op: op}); err == nil {
			t.Errorf("%+v was carried out", op)
		}
	}
	if got, err := os.ReadFile(path); err != nil || len(got) > 0 {
		t.Errorf("the file has %q, %v", got, err)
	}
}

func TestFlagOptionHasNoUndo(t *testing.T) {
	step := finding.Step{Op: finding.ResolvOp{Path: resolvFile(t, ""), Option: "rotate"}}
	if _, err := Current(context.Background(), step); !errors.Is(err, ErrInexpressible) {
		t.Errorf("undo: %v", err)
	}
}
