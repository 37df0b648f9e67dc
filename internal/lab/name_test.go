// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

func TestNameReadsBack(t *testing.T) {
	for _, s := range All() {
		// 4194304 is the highest pid that Linux gives out (PID_MAX_LIMIT).
		name := spaceName{Scenario: s.Name, PID: 4194304, Nonce: "c0fe", Role: "gateway"}
		if got, ours := parseName(name.String()); !ours || got != name {
			t.Errorf("%s reads back as %+v, %v", name, got, ours)
		}
		if n := len(name.String()); n > nameLimit {
			t.Errorf("%s has %d bytes, not %d at most", name, n, nameLimit)
		}
	}
}

func TestNameOfOthersIsNotOurs(t *testing.T) {
	for _, name := range []string{
		"", "tb-", "client", "tb-rp-filter-client", "tb-rp-filter-12xabcd", "tb-rp-filter-0xabcd-client",
		"tb-rp-filter-12xabcd-", "TB-rp-filter-12xabcd-client", "tb-a-99999999999999999999xab-client",
		"tb-rp-filter-12xabcd-client/..", "xtb-rp-filter-12xabcd-client",
	} {
		if got, ours := parseName(name); ours {
			t.Errorf("%q reads as %+v", name, got)
		}
	}
}

func TestSweepTakesOnlyWhatDeadRunsLeft(t *testing.T) {
	kerneltest.RequireRoot(t)
	dead := exec.Command("/proc/self/exe", "-test.run=^$")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	left := labelled(t, dead.Process.Pid)
	kept := labelled(t, os.Getpid())
	removed, err := Sweep()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(removed, left) || exists(left) {
		t.Errorf("%s of a dead run is still there; removed: %q", left, removed)
	}
	if slices.Contains(removed, kept) || !exists(kept) {
		t.Errorf("%s of a run under way was removed", kept)
	}
}

// labelled makes a namespace that says it belongs to pid.
func labelled(t *testing.T, pid int) string {
	t.Helper()
	name := spaceName{Scenario: "sweep", PID: pid, Nonce: "0123", Role: "client"}.String()
	s, err := newSpace(name, "client")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return name
}

func exists(name string) bool {
	_, err := os.Lstat(filepath.Join(netnsDir, name))
	return err == nil
}
