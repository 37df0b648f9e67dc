// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// built makes what the build stage's "make build" makes, elsewhere.
func built(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "trapbpf")
	command := exec.Command("make", "-C", root, "build", "VERSION=v0.0.0-image", "OUT="+binary)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	return binary
}

// assemble puts the last stage's files into an empty folder.
func assemble(t *testing.T, last stage) string {
	t.Helper()
	binary, image := built(t), t.TempDir()
	for _, c := range last.copies {
		source := filepath.Join(root, strings.TrimPrefix(c.source, workdir))
		if c.source == workdir+"/bin/trapbpf" {
			source = binary
		}
		if out, err := exec.Command("cp", "-r", source, image+c.target).CombinedOutput(); err != nil {
			t.Fatalf("COPY %s %s: %v\n%s", c.source, c.target, err, out)
		}
	}
	return image
}

// enter runs the entry point with the image as its root and nothing in its
// environment.
func enter(image string, last stage, args ...string) (stdout, stderr string, code int) {
	command := exec.Command(last.entrypoint[0], append(last.entrypoint[1:], args...)...)
	var out, errs strings.Builder
	command.Stdout, command.Stderr = &out, &errs
	command.Dir, command.Env = "/", []string{}
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: image}
	err := command.Run()
	if command.ProcessState == nil {
		return "", err.Error(), -1
	}
	return out.String(), errs.String(), command.ProcessState.ExitCode()
}

func TestImageRunsInAnEmptyRoot(t *testing.T) {
	kerneltest.RequireRoot(t) // chroot
	all := stages(t)
	last := all[len(all)-1]
	image := assemble(t, last)
	cases := []struct {
		args   []string
		stdout string
	}{
		{[]string{"version"}, "v0.0.0-image"},
		{[]string{"--help"}, "watch"},
		{[]string{"explain", "asymmetric-routing"}, "rp-filter-strict"},
		{[]string{"explain", "time-wait-exhaustion"}, "ephemeral-ports-exhausted"},
		{[]string{"lab", "list"}, "rp-filter"},
	}
	for _, c := range cases {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			stdout, stderr, code := enter(image, last, c.args...)
			if code != 0 || !strings.Contains(stdout, c.stdout) {
				t.Errorf("exit %d, stdout lacks %q:\n%s\n%s", code, c.stdout, stdout, stderr)
			}
		})
	}
}

// Without /sys there is no BTF: the default command must say so and end with the
// code for a kernel that cannot.
func TestImageSaysWhatItsContainerLacks(t *testing.T) {
	kerneltest.RequireRoot(t)
	all := stages(t)
	last := all[len(all)-1]
	stdout, stderr, code := enter(assemble(t, last), last, last.cmd...)
	if code != 5 || !strings.Contains(stderr, "BTF") || stdout != "" {
		t.Errorf("exit %d, want 5 and a word about BTF:\n%s\n%s", code, stdout, stderr)
	}
}

func TestBinaryIsStatic(t *testing.T) {
	file, err := elf.Open(built(t))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary has a %v segment: it needs a loader that scratch lacks", segment.Type)
		}
	}
	if info, err := os.Stat(filepath.Join(root, "LICENSES")); err != nil || !info.IsDir() {
		t.Errorf("the image has no licences: %v", err)
	}
}
