// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// The ports of a narrow namespace: few, so that they are soon used up.
const (
	lowPort   = 40000
	highPort  = 40009
	portCount = highPort - lowPort + 1
)

// narrow makes a namespace with ten ephemeral ports, in which a TIME_WAIT really
// holds its port (by default loopback may reuse it, tcp_tw_reuse 2).
func narrow(t *testing.T) *kerneltest.Netns {
	t.Helper()
	ns := kerneltest.Namespace(t)
	ns.Sysctl(t, "ipv4/ip_local_port_range", fmt.Sprintf("%d %d", lowPort, highPort))
	ns.Sysctl(t, "ipv4/tcp_tw_reuse", "0")
	return ns
}

// server accepts connections in a namespace and hands them out.
type server struct {
	address  netip.AddrPort
	listener net.Listener
}

func serve(t *testing.T, ns *kerneltest.Netns, address string) *server {
	t.Helper()
	s := &server{address: netip.MustParseAddrPort(address)}
	ns.Do(t, func() (err error) {
		s.listener, err = net.Listen("tcp", address)
		return err
	})
	t.Cleanup(func() { s.listener.Close() })
	return s
}

// pair is one connection, by both its ends.
type pair struct{ client, server *net.TCPConn }

// dial opens a connection to the server from inside the namespace.
func (s *server) dial(t *testing.T, ns *kerneltest.Netns) pair {
	t.Helper()
	var p pair
	ns.Do(t, func() error {
		conn, err := net.Dial("tcp", s.address.String())
		if err != nil {
			return err
		}
		p.client = conn.(*net.TCPConn)
		return nil
	})
	accepted, err := s.listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p.server = accepted.(*net.TCPConn)
	t.Cleanup(func() { p.client.Close(); p.server.Close() })
	return p
}

// awaitEnd reads until the other side's FIN, or its RST, has come.
func awaitEnd(conn *net.TCPConn) {
	var b [1]byte
	for {
		if _, err := conn.Read(b[:]); err != nil {
			return
		}
	}
}

// clientFirst closes as a client that goes first, which leaves it the TIME_WAIT.
func (p pair) clientFirst() {
	p.client.CloseWrite()
	awaitEnd(p.server)
	p.server.Close()
	awaitEnd(p.client)
	p.client.Close()
}

// serverFirst leaves the TIME_WAIT to the server.
func (p pair) serverFirst() {
	pair{client: p.server, server: p.client}.clientFirst()
}

// socket makes a TCP or UDP socket inside a namespace that closes with the test.
func socket(t *testing.T, ns *kerneltest.Netns, family, kind int) int {
	t.Helper()
	var fd int
	ns.Do(t, func() (err error) {
		fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
		return err
	})
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// sockaddr gives an address as system calls take it; six asks for the IPv6 form,
// which an IPv4 address has too.
func sockaddr(address netip.AddrPort, six bool) unix.Sockaddr {
	if six {
		return &unix.SockaddrInet6{Addr: address.Addr().As16(), Port: int(address.Port())}
	}
	return &unix.SockaddrInet4{Addr: address.Addr().As4(), Port: int(address.Port())}
}
