// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kerneltest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// namespaceDir is where ip-netns(8) looks, so that a person can enter a test's
// namespace while it runs.
const namespaceDir = "/run/netns"

// Netns is a network namespace that lives as long as its test.
type Netns struct {
	// Name is its name under /run/netns, Path its file there.
	Name, Path string
	// ID is the inode, as events carry it.
	ID event.Netns
}

// Namespace makes a network namespace with its loopback up.
func Namespace(t testing.TB) *Netns {
	t.Helper()
	RequireRoot(t)
	made, err := makeNamespace(t)
	if err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	made.Do(t, func() error { return up("lo") })
	return made
}

func makeNamespace(t testing.TB) (*Netns, error) {
	if err := os.MkdirAll(namespaceDir, 0o755); err != nil {
		return nil, err
	}
	sweep()
	file, err := os.CreateTemp(namespaceDir, fmt.Sprintf("tbkt-%d-", os.Getpid()))
	if err != nil {
		return nil, err
	}
	path := file.Name()
	file.Close()
	t.Cleanup(func() { remove(path) })
	if err := onFreshThread(func() error { return unshareTo(path) }); err != nil {
		return nil, err
	}
	id, err := inode(path)
	return &Netns{Name: filepath.Base(path), Path: path, ID: id}, err
}

func remove(path string) {
	_ = unix.Unmount(path, unix.MNT_DETACH)
	_ = os.Remove(path)
}

// sweep removes what a test process that was killed has left: its name holds the
// process's id.
func sweep() {
	left, _ := filepath.Glob(filepath.Join(namespaceDir, "tbkt-*")) // the pattern is well formed
	for _, path := range left {
		var pid, nonce int
		if _, err := fmt.Sscanf(filepath.Base(path), "tbkt-%d-%d", &pid, &nonce); err != nil {
			continue
		}
		if errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			remove(path)
		}
	}
}

func unshareTo(path string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	self := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
	if err := unix.Mount(self, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind-mount %s: %w", path, err)
	}
	return nil
}

func inode(path string) (event.Netns, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("stat %s: %w", path, err)
	}
	return event.Netns(st.Ino), nil
}

// onFreshThread runs f on a thread of its own that ends with it, so a namespace
// that f enters cannot leak into other goroutines.
func onFreshThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		done <- f()
	}()
	return <-done
}
