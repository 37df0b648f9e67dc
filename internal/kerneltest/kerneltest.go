// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package kerneltest is what privileged tests share: one lock for the machine,
// and network namespaces that vanish with the test.
package kerneltest

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// lockPath is shared by every test process of the machine: programs attached by
// one would see the traffic of another, and both would measure each other.
const lockPath = "/run/lock/trapbpf-test.lock"

// mustPrivileged is the variable by which a machine says that it can run every
// privileged test, so that a skip there is a failure.
const mustPrivileged = "TRAPBPF_MUST_PRIVILEGED"

// RequireRoot skips a test that needs root where there is none, and fails it
// where the machine is one that must run it.
func RequireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv(mustPrivileged) == "1" {
		t.Fatal("this machine must run privileged tests, but the test is not root")
	}
	t.Skip("needs root")
}

// Exclusive keeps every other privileged test of the machine waiting until this
// test ends. It implies RequireRoot. Nesting it deadlocks.
func Exclusive(t testing.TB) {
	t.Helper()
	RequireRoot(t)
	lock, err := os.OpenFile(lockPath, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		t.Fatalf("open the machine's test lock: %v", err)
	}
	t.Cleanup(func() { lock.Close() })
	if err := flock(int(lock.Fd())); err != nil {
		t.Fatalf("take the machine's test lock: %v", err)
	}
}

func flock(fd int) error {
	for {
		if err := unix.Flock(fd, unix.LOCK_EX); err != unix.EINTR {
			return err
		}
	}
}
