// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// echo answers UDP datagrams with a few bytes each.
func (n *network) echo(s *space, at netip.AddrPort) job {
	if n.err != nil {
		return together()
	}
	var server net.PacketConn
	n.fail(s.do(func() (err error) {
		var config net.ListenConfig
		server, err = config.ListenPacket(context.Background(), "udp", at.String())
		return err
	}))
	if n.err != nil {
		return together()
	}
	n.closers = append(n.closers, server)
	return func(ctx context.Context, _ *meter) error {
		defer context.AfterFunc(ctx, func() { _ = server.Close() })()
		var buffer [1 << 16]byte
		for {
			_, from, err := server.ReadFrom(buffer[:])
			if err != nil {
				return nil // closed: the run is over
			}
			_, _ = server.WriteTo(buffer[:smallSize], from) // the client asks again
		}
	}
}

// datagrams is a client that asks ten times a second with datagrams of size bytes
// that may not be fragmented (IP_PMTUDISC_DO), and with 1200 once it is told that
// they are too big.
func datagrams(w way, size int) job {
	return inside(w.client, "lab-datagrams", func(ctx context.Context, m *meter) error {
		conn, err := undivided(w.web())
		if err != nil {
			return err
		}
		defer conn.Close()
		pace(ctx, 10, 10*300, func() {
			err := askOnce(conn, size)
			m.attempt(err)
			if errors.Is(err, unix.EMSGSIZE) {
				size = 1200 // what every path of QUIC's carries (RFC 9000, section 14)
			}
		})
		return nil
	})
}

// prober is a client that asks ten times a second with datagrams of size bytes, as QUIC
// stacks do: no route's MTU holds it back (IP_PMTUDISC_PROBE), and after patient lost
// ones in a row it goes back to 1200 by itself; with 0 it never does, until heed.
func prober(w way, size, patient int, heed *atomic.Bool) job {
	return inside(w.client, "lab-prober", func(ctx context.Context, m *meter) error {
		conn, err := net.Dial("udp", w.web().String())
		if err != nil {
			return fmt.Errorf("open socket to %s: %w", w.web(), err)
		}
		defer conn.Close()
		probing := option{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE}
		if w.six() {
			probing = option{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE}
		}
		if err := setOptions(conn, probing); err != nil {
			return err
		}
		lost := 0
		pace(ctx, 10, 10*300, func() {
			err := askOnce(conn, size)
			m.attempt(err)
			if lost++; err == nil {
				lost = 0
			}
			if heed.Load() || patient > 0 && lost >= patient {
				size = 1200
			}
		})
		return nil
	})
}

// undivided gives a UDP socket whose packets may not be fragmented.
func undivided(to netip.AddrPort) (net.Conn, error) {
	conn, err := net.Dial("udp", to.String())
	if err != nil {
		return nil, fmt.Errorf("open socket to %s: %w", to, err)
	}
	return conn, forbidFragments(conn)
}

// forbidFragments has a socket set DF, whatever its route says, and learn of errors.
func forbidFragments(conn net.Conn) error {
	if !sixth(conn) {
		return setOptions(conn, option{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO})
	}
	return setOptions(conn,
		option{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO},
		option{unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1})
}

// closeEars has an IPv6 socket pass over ICMP errors, as name servers do: they need no
// path MTU, and want nobody to forge one.
func closeEars(conn net.Conn) error {
	return setOptions(conn, option{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_INTERFACE})
}

// sixth tells whether a connection is one of IPv6.
func sixth(conn net.Conn) bool {
	peer, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	return err == nil && peer.Addr().Is6()
}

type option struct{ level, name, value int }

func setOptions(conn net.Conn, options ...option) error {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return errors.New("this connection has no socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("reach the socket: %w", err)
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		for _, o := range options {
			set = errors.Join(set, unix.SetsockoptInt(int(fd), o.level, o.name, o.value))
		}
	})
	return errors.Join(err, set)
}

// askOnce sends one datagram and waits a little for its answer.
func askOnce(conn net.Conn, size int) error {
	if _, err := conn.Write(make([]byte, size)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	var reply [smallSize]byte
	if _, err := conn.Read(reply[:]); err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	return nil
}
