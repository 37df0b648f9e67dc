// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package privilege

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reduce gives up every capability that is not in keep, in all threads and for good, and
// sets no_new_privs. What is not held is not gained. It gives what is left.
//
// Threads have credentials of their own in Linux, and Go moves goroutines between them:
// syscall.AllThreadsSyscall makes the same call in each, the ones in foreign namespaces
// included, and threads to come inherit. It does not work in a program with cgo.
func Reduce(keep Set) (Set, error) {
	if err := inAllThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return 0, fmt.Errorf("set no_new_privs: %w", err)
	}
	held, err := Held()
	if err != nil {
		return 0, err
	}
	if err := narrow(keep); err != nil {
		return held, err
	}
	left := held & keep
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(left), Permitted: uint32(left)},
		{Effective: uint32(left >> 32), Permitted: uint32(left >> 32)},
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	if errno != 0 {
		return held, fmt.Errorf("give up capabilities: %w", errno)
	}
	return left, nil
}

// narrow takes what is not in keep out of the bounding set. Where CAP_SETPCAP for that is
// missing, no_new_privs has to do: nothing that is executed gains anything by it.
func narrow(keep Set) error {
	for c := Capability(0); c <= unix.CAP_LAST_CAP; c++ {
		if keep.Has(c) {
			continue
		}
		err := inAllThreads(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(c), 0)
		switch {
		case errors.Is(err, unix.EPERM):
			return nil
		case errors.Is(err, unix.EINVAL): // this kernel does not know it
		case err != nil:
			return fmt.Errorf("narrow the bounding set: %w", err)
		}
	}
	return nil
}

func inAllThreads(trap, a, b, c uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall6(trap, a, b, c, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
