// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kerneltest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Do runs f inside the namespace, on a thread of its own. Sockets made in f stay
// in the namespace; goroutines started by f do not.
func (n *Netns) Do(t testing.TB, f func() error) {
	t.Helper()
	if err := n.Try(f); err != nil {
		t.Fatalf("inside %s: %v", n.Name, err)
	}
}

// Try is Do for callers that expect an error.
func (n *Netns) Try(f func() error) error {
	return onFreshThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		return f()
	})
}

func (n *Netns) enter() error {
	return n.hold(func(fd int) error {
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter %s: %w", n.Path, err)
		}
		return nil
	})
}

// hold gives f a descriptor of the namespace, valid during the call.
func (n *Netns) hold(f func(fd int) error) error {
	file, err := os.Open(n.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	return f(int(file.Fd()))
}

// Run runs a command inside the namespace and fails the test if it fails.
func (n *Netns) Run(t testing.TB, name string, args ...string) {
	t.Helper()
	n.Do(t, func() error {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
		}
		return nil
	})
}

// Sysctl sets a parameter under /proc/sys/net of the namespace, by its path.
func (n *Netns) Sysctl(t testing.TB, path, value string) {
	t.Helper()
	n.Do(t, func() error { return os.WriteFile("/proc/sys/net/"+path, []byte(value), 0o644) })
}

// slowness is the variable by which a machine says how many times slower it is than
// those that limits are meant for: an emulated one, say.
const slowness = "TRAPBPF_SLOWNESS"

// Patient gives a limit in the time of the machine that the test runs on.
func Patient(limit time.Duration) time.Duration {
	factor, err := strconv.Atoi(os.Getenv(slowness))
	if err != nil || factor < 1 {
		return limit
	}
	return limit * time.Duration(factor)
}

// Within waits until done gives true, and fails the test with what was awaited
// if that takes longer than limit, which is Patient.
func Within(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	limit = Patient(limit)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(limit)
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", limit, what)
		case <-poll.C:
		}
	}
}
