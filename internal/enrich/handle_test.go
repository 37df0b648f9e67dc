// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package enrich

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// forgo takes one capability from the calling thread.
func forgo(capability int) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[capability/32].Effective &^= 1 << (capability % 32)
	return unix.Capset(&header, &data[0])
}

func TestControlGroupIsFoundByItsIDWithTheCapabilityForItOnly(t *testing.T) {
	kerneltest.RequireRoot(t)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(unifiedMount(string(mounts)), "tb-group-") //nolint:usetesting // a control group is made where they are
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(dir)
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	if path, err := groupPath(st.Ino); err != nil || path != "/"+filepath.Base(dir) {
		t.Errorf("with it: %q, %v", path, err)
	}
	found := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends without the capability
		if err := forgo(unix.CAP_DAC_READ_SEARCH); err != nil {
			found <- err
			return
		}
		_, err := groupPath(st.Ino)
		found <- err
	}()
	if err := <-found; !errors.Is(err, unix.EPERM) {
		t.Errorf("without it: %v", err)
	}
}
