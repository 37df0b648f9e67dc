// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package enrich

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// The id that the kernel's programs send of this very process's control group is found to
// be the one that /proc tells.
func TestControlGroupOfALivingProcessIsConfirmed(t *testing.T) {
	kerneltest.RequireRoot(t)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(string(groups), "0::")
	path, _, _ = strings.Cut(path, "\n")
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(unifiedMount(string(mounts)), path), &st); err != nil {
		t.Fatal(err)
	}
	pid := uint32(os.Getpid())
	all := New(Real())
	if got := all.Look(pid, st.Ino); got.Cgroup != st.Ino || got.CgroupPath != path {
		t.Errorf("got %+v, want %d at %s", got, st.Ino, path)
	}
	if got := all.Look(pid, st.Ino+1<<40); got.Cgroup != 0 || got.Name == "" {
		t.Errorf("another's: %+v", got)
	}
}
