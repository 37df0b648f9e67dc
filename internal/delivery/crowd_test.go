// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// outgoing is how many ports a crowd may dial from: one connection more to a destination
// fails, and is a finding of its own.
const outgoing = 2

// crowd is a namespace where as many destinations as one likes have used up their ports.
type crowd struct {
	netns *kerneltest.Netns
	held  map[int][]int // sockets, by the port that they lead to
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{netns: kerneltest.Namespace(t), held: map[int][]int{}}
	c.netns.Sysctl(t, "ipv4/ip_local_port_range", fmt.Sprintf("60000 %d", 60000+outgoing-1))
	t.Cleanup(func() {
		for port := range c.held {
			c.leave(port)
		}
	})
	return c
}

// come uses up the ports towards one of loopback's. It is called inside the namespace.
func (c *crowd) come(port int) error {
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c.held[port] = append(c.held[port], listener)
	at := &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	if err := errors.Join(unix.Bind(listener, at), unix.Listen(listener, 2*outgoing)); err != nil {
		return fmt.Errorf("listen on %d: %w", port, err)
	}
	for range outgoing {
		if err := c.dial(port); err != nil {
			return err
		}
	}
	return c.knock(port)
}

func (c *crowd) dial(port int) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c.held[port] = append(c.held[port], s)
	return unix.Connect(s, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
}

// knock dials once more, in vain.
func (c *crowd) knock(port int) error {
	if err := c.dial(port); !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("one connection too many to port %d: %w", port, err)
	}
	return nil
}

// leave ends all that leads to a port. The listener has accepted none of it, so that
// nothing stays in TIME_WAIT.
func (c *crowd) leave(port int) {
	for _, s := range c.held[port] {
		_ = unix.Close(s) // that it is gone is all that counts
	}
	delete(c.held, port)
}
