// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// inside runs f with the thread in the network namespace at path, which must be
// the one with the inode id (0: any). An empty path is where the agent runs.
//
// The thread is never given back: the runtime ends it with its goroutine, so no
// other goroutine can wake up in a foreign namespace.
func inside(path string, id event.Netns, f func() error) error {
	if path == "" {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := enter(path, id); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func enter(path string, id event.Netns) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	defer file.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	if id != 0 && st.Ino != uint64(id) {
		return fmt.Errorf("enter %s: it is network namespace %d now, not %d: %w", path, st.Ino, id, os.ErrNotExist)
	}
	err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: CAP_SYS_ADMIN missing to enter %s", ErrPrivilege, path)
	}
	if err != nil {
		return fmt.Errorf("enter %s: %w", path, err)
	}
	return nil
}
