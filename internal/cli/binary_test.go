// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// buildAgent gives the agent's binary: the one that TRAPBPF_BIN names, or a new one, in
// a folder that every user may look into.
func buildAgent(t *testing.T) string {
	t.Helper()
	if binary := os.Getenv("TRAPBPF_BIN"); binary != "" {
		return binary
	}
	folder, err := os.MkdirTemp("", "trapbpf-cli-") //nolint:usetesting // t.TempDir is for one user's eyes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(folder, "trapbpf")
	build := exec.Command("go", "build", "-o", binary, "github.com/trapbpf/trapbpf/cmd/trapbpf")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v\n%s", err, out)
	}
	return binary
}

// call runs the binary to its end.
func call(t *testing.T, who *syscall.Credential, binary string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	c := exec.Command(binary, args...)
	var out, log bytes.Buffer
	c.Stdout, c.Stderr, c.Dir = &out, &log, "/"
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: who}
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s %v: %v", binary, args, err)
	}
	return c.ProcessState.ExitCode(), out.String(), log.String()
}

func TestFindingsAreRootsToRead(t *testing.T) {
	kerneltest.RequireRoot(t)
	binary := buildAgent(t)
	from := told(t)
	file := filepath.Join(from.watch, "watch-1.jsonl")
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	for _, args := range [][]string{{"findings"}, {"fix", "abc1"}, {"fix", "abc1", "--apply"}, {"verify", "abc1"}} {
		code, _, stderr := call(t, nobody, binary, append(args, "--ledger", file)...)
		if code != exitPrivilege || !strings.Contains(stderr, "root") {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
	if code, stdout, stderr := call(t, nil, binary, "fix", "abc1", "--ledger", file); code != exitOK || !strings.Contains(stdout, "mtu 1400") {
		t.Errorf("as root: exit %d, %s", code, stderr)
	}
}

// TestMissingCapabilityIsNamed takes from root what entering a namespace needs.
func TestMissingCapabilityIsNamed(t *testing.T) {
	m := newMending(t)
	binary := buildAgent(t)
	file := filepath.Join(m.from.watch, "watch-1.jsonl")
	for _, args := range [][]string{{"fix", "f", "--apply"}, {"verify", "f"}} {
		words := append([]string{"--bounding-set", "-sys_admin", binary}, args...)
		code, _, stderr := call(t, nil, "setpriv", append(words, "--ledger", file)...)
		if code != exitPrivilege || !strings.Contains(stderr, "CAP_SYS_ADMIN") {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
	m.holds(filterKey, "1")
}
