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
	return kerneltest.BuildAgent(t, folder)
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
	for _, args := range [][]string{{"fix", "abd1"}, {"fix", "abd1", "--apply"}, {"verify", "abd1"}} {
		code, _, stderr := call(t, nil, binary, append(args, "--ledger", file)...)
		if code != exitUsage || !strings.Contains(stderr, `no finding "abd1"`) {
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

// TestAuditNamesTheMissingCapability takes from root what entering a namespace and reading
// a firewall need: without the one nothing of the namespace can be said, without the other
// all but the firewall's.
func TestAuditNamesTheMissingCapability(t *testing.T) {
	kerneltest.RequireRoot(t)
	binary, ns := buildAgent(t), kerneltest.Namespace(t)
	ns.Run(t, "ip", "link", "set", "lo", "up")
	for _, args := range [][]string{{"check"}, {"probe", "route", "127.0.0.1"}} {
		words := append([]string{"--bounding-set", "-sys_admin", binary}, args...)
		code, _, stderr := call(t, nil, "setpriv", append(words, "--netns", ns.Name)...)
		if code != exitPrivilege || !strings.Contains(stderr, "CAP_SYS_ADMIN") {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
	code, stdout, stderr := call(t, nil, "setpriv", "--bounding-set", "-net_admin", binary, "check", "--output", "columns", "--netns", ns.Name)
	if code != exitOK || !strings.Contains(stdout, "firewall rules: CAP_NET_ADMIN is missing") || !strings.Contains(stdout, "ok     rp-filter-strict") ||
		strings.Contains(stdout, "ok     icmp-dropped-inbound") || !strings.Contains(stdout, " 1 blind") {
		t.Errorf("without CAP_NET_ADMIN: exit %d, %s%s", code, stdout, stderr)
	}
}

// TestAuditGoesOnWhileNamespacesComeAndGo holds that no namespace that goes in the middle
// ends the audit of the others.
func TestAuditGoesOnWhileNamespacesComeAndGo(t *testing.T) {
	kerneltest.RequireRoot(t)
	binary, stays := buildAgent(t), kerneltest.Namespace(t)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for range 500 {
			select {
			case <-done:
				return
			default:
				name := stays.Name + "-b"
				_ = exec.Command("ip", "netns", "add", name).Run()
				_ = exec.Command("ip", "-n", name, "link", "set", "lo", "up").Run()
				_ = exec.Command("ip", "netns", "del", name).Run()
			}
		}
	}()
	for range 5 {
		code, stdout, stderr := call(t, nil, binary, "check", "--all-netns", "--output", "columns")
		whole := strings.Contains(stdout, "namespace "+stays.Name+"\n") && strings.HasSuffix(stdout, " blind\n")
		if code != exitOK && code != exitFindings || !whole || strings.Contains(stdout, "nil") {
			t.Errorf("exit %d, %s%s", code, stdout, stderr)
		}
	}
	close(done)
	<-ended
}
