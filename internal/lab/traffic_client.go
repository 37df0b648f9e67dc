// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// caller is how a client connects. It uses plain system calls: package net tries
// again by itself where no port is free, and would count one failure as three.
type caller struct {
	to netip.AddrPort
	// from is bound to before connecting, with port 0, where valid.
	from netip.Addr
	// late leaves the choice of the port to connect() even so
	// (IP_BIND_ADDRESS_NO_PORT).
	late bool
	// within bounds each wait for the other side.
	within time.Duration
}

// dial gives a connected socket, which the caller closes. It must run inside the
// namespace it is for. Errors wrap the system call's errno.
func (c caller) dial() (int, error) {
	fd, err := tcpSocket(c.to.Addr())
	if err != nil {
		return -1, err
	}
	if err := c.open(fd); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (c caller) open(fd int) error {
	if c.from.IsValid() {
		if err := c.bind(fd); err != nil {
			return err
		}
	}
	err := unix.Connect(fd, socketAddress(c.to))
	if err == unix.EINPROGRESS {
		return c.established(fd)
	}
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

func (c caller) bind(fd int) error {
	if c.late {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return fmt.Errorf("put off the choice of a port: %w", err)
		}
	}
	if err := unix.Bind(fd, socketAddress(netip.AddrPortFrom(c.from, 0))); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

func (c caller) established(fd int) error {
	if err := await(fd, unix.POLLOUT, c.within); err != nil {
		return err
	}
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("ask for the connection's fate: %w", err)
	}
	if code != 0 {
		return fmt.Errorf("connect: %w", unix.Errno(code))
	}
	return nil
}

// call connects, asks, reads the answer and closes first.
func (c caller) call() error {
	fd, err := c.dial()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return ask(fd, c.within)
}

// ask sends one request and reads its answer.
func ask(fd int, within time.Duration) error {
	if _, err := unix.Write(fd, []byte("GET /\n")); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := await(fd, unix.POLLIN, within); err != nil {
		return err
	}
	var reply [64]byte
	n, err := unix.Read(fd, reply[:])
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("read: %w", unix.EPIPE)
	}
	return nil
}

// hangUp waits until the other side has closed, then closes.
func hangUp(fd int, within time.Duration) error {
	defer unix.Close(fd)
	if err := await(fd, unix.POLLIN, within); err != nil {
		return err
	}
	var rest [64]byte
	if n, err := unix.Read(fd, rest[:]); err != nil || n != 0 {
		return fmt.Errorf("the server did not close: read %d bytes: %w", n, err)
	}
	return nil
}

// await waits until a socket is ready, over signals that the runtime sends itself.
func await(fd int, events int16, within time.Duration) error {
	deadline := time.Now().Add(within)
	for {
		left := time.Until(deadline).Milliseconds()
		if left <= 0 {
			return fmt.Errorf("wait: %w", unix.ETIMEDOUT)
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, int(left))
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("wait: %w", err)
		}
		if n > 0 {
			return nil
		}
	}
}

func tcpSocket(addr netip.Addr) (int, error) {
	family := unix.AF_INET
	if addr.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	return fd, nil
}

func socketAddress(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Is6() {
		return &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())}
	}
	return &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
}
