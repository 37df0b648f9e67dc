// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package privilege

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// confine puts the calling thread into a Landlock domain that forbids one thing which the
// agent never does: to make a device file.
func confine() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	rules := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK}
	// The first version of the struct ends after its first field.
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), unsafe.Sizeof(rules.Handled_access_fs), 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(set))
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// The reason why the agent does without Landlock. Where this fails, it no longer must.
func TestLandlockWouldHideOtherProcesses(t *testing.T) {
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill() // it only sleeps
		_ = other.Wait()         // killed
	}()
	look := func() error {
		_, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", other.Process.Pid))
		return err
	}
	if err := look(); err != nil {
		t.Fatalf("without Landlock: %v", err)
	}
	confined, looked := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its confinement
		confined <- confine()
		looked <- look()
	}()
	err := <-confined
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		t.Logf("this kernel has no Landlock: %v", err)
		return
	}
	if err != nil {
		t.Fatalf("confine: %v", err)
	}
	if err := <-looked; !errors.Is(err, unix.EACCES) {
		t.Errorf("a process in a Landlock domain may look at another (%v): use Landlock", err)
	}
}
