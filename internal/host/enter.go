// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/trapbpf/trapbpf/pkg/event"
	"golang.org/x/sys/unix"
)

// ownPath is the calling thread's namespace: the agent's own, unless the thread is on
// a visit. /proc/self would be the main thread's, which is as likely as any other to
// be the visitor.
const ownPath = "/proc/thread-self/ns/net"

// inodes implements World.Inode. A file that was left behind by a namespace that is
// gone has an inode too, but lies on another file system: all namespaces are on one.
func inodes() func(path string) (event.Netns, error) {
	var own unix.Stat_t
	ownErr := unix.Stat(ownPath, &own)
	return func(path string) (event.Netns, error) {
		if ownErr != nil {
			return 0, &os.PathError{Op: "stat", Path: ownPath, Err: ownErr}
		}
		var file unix.Stat_t
		if err := unix.Stat(path, &file); err != nil {
			return 0, &os.PathError{Op: "stat", Path: path, Err: err}
		}
		if file.Dev != own.Dev {
			return 0, fmt.Errorf("%s is no namespace", path)
		}
		return event.Netns(file.Ino), nil
	}
}

// Inside runs do on a thread that is in the network namespace behind path, and
// gives do's error. The path "" is the agent's own namespace. Where id is not 0
// the namespace must have that inode: a path is used again by others. A path that
// is gone, or now leads elsewhere, gives ErrGone.
//
// No file of the namespace is held once do runs: a visit ends with the thread's
// return, and does not keep the namespace from going away afterwards.
func Inside(path string, id event.Netns, do func() error) error {
	if path == "" {
		return do()
	}
	done := make(chan error, 1)
	go func() { done <- visit(path, id, do) }()
	return <-done
}

// visit needs a goroutine of its own: where the thread cannot be brought home it
// stays locked, so that the runtime ends it with the goroutine.
func visit(path string, id event.Netns, do func() error) error {
	runtime.LockOSThread()
	home, err := os.Open(ownPath)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close() // only read
	if err := enter(path, id); err != nil {
		runtime.UnlockOSThread() // it never left
		return err
	}
	result := do()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		return errors.Join(result, fmt.Errorf("return from namespace %s: %w", path, err))
	}
	runtime.UnlockOSThread()
	return result
}

func enter(path string, id event.Netns) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	if err != nil {
		return err
	}
	defer file.Close() // only read
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	if id != 0 && event.Netns(stat.Ino) != id {
		return fmt.Errorf("%w: %s leads elsewhere", ErrGone, path)
	}
	err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
	if errors.Is(err, unix.EINVAL) { // the empty file that a mounted namespace leaves behind
		return fmt.Errorf("%w: %s is an ordinary file", ErrGone, path)
	}
	if err != nil {
		return fmt.Errorf("enter namespace %s: %w", path, err)
	}
	return nil
}
