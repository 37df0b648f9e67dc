// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// rawSocket opens a socket of a protocol towards a peer, in the calling thread's
// namespace. Probes go out whole, errors come to its queue.
func rawSocket(protocol int, from, peer netip.Addr) (int, error) {
	family := unix.AF_INET
	if peer.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return -1, fmt.Errorf("open raw socket: %w", err)
	}
	if err := prepare(fd, from, peer); err != nil {
		_ = unix.Close(fd) // nothing was sent
		return -1, err
	}
	return fd, nil
}

func prepare(fd int, from, peer netip.Addr) error {
	options := [][3]int{
		{unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE},
		{unix.SOL_IP, unix.IP_RECVERR, 1},
	}
	if peer.Is6() {
		options = [][3]int{
			{unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE},
			{unix.SOL_IPV6, unix.IPV6_DONTFRAG, 1},
			{unix.SOL_IPV6, unix.IPV6_RECVERR, 1},
		}
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o[0], o[1], o[2]); err != nil {
			return fmt.Errorf("set socket option: %w", err)
		}
	}
	if from.IsValid() {
		if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, 0))); err != nil {
			return fmt.Errorf("bind to %s: %w", from, err)
		}
	}
	if err := unix.Connect(fd, sockaddr(netip.AddrPortFrom(peer, 0))); err != nil {
		return fmt.Errorf("reach %s: %w", peer, unreachable(err))
	}
	return nil
}

// unreachable marks the errors of a peer to which no route leads.
func unreachable(err error) error {
	for _, e := range []unix.Errno{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EADDRNOTAVAIL, unix.EINVAL, unix.EACCES} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
	}
	return err
}

func sockaddr(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Is6() {
		return &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port()), ZoneId: zoneID(to.Addr().Zone())}
	}
	return &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
}

// zoneID gives the index of a device in the calling thread's namespace, 0 where there
// is none.
func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	device, err := net.InterfaceByName(zone)
	if err != nil {
		return 0
	}
	return uint32(device.Index)
}

func addrOf(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	default:
		return netip.AddrPort{}
	}
}

// send sends one probe. One that is larger than the interface takes ends as too big,
// told by nobody but this host.
func (l *line) send(a aim) error {
	number := len(l.shots) + 1
	l.shots = append(l.shots, shot{size: a.size, ttl: a.ttl, sent: time.Now()})
	if err := l.setTTL(a.ttl); err != nil {
		return err
	}
	packet := l.build(number, a.size-l.headers())
	var err error
	for range 3 { // an ICMP error that is still queued fails the next call
		l.drain()
		if _, err = unix.SendmsgN(l.fd, packet, nil, nil, 0); err == nil {
			return nil
		}
		if l.drain(); l.shots[number-1].what == tooBig {
			l.budget.sent-- // it never left
			return nil
		}
	}
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EPERM) {
		return nil // lost at home, by a full queue or a firewall: no answer
	}
	return fmt.Errorf("send %d bytes to %s: %w", a.size, l.peer, unreachable(err))
}

func (l *line) setTTL(ttl int) error {
	level, option := unix.SOL_IP, unix.IP_TTL
	if l.six {
		level, option = unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS
	}
	if ttl == 0 {
		ttl = -1 // the namespace's default
	}
	if err := unix.SetsockoptInt(l.fd, level, option, ttl); err != nil {
		return fmt.Errorf("set hop limit: %w", err)
	}
	return nil
}

// queuedErr is struct sock_extended_err of linux/errqueue.h.
type queuedErr struct {
	errno              uint32
	origin, kind, code uint8
	info               uint32
	by                 netip.Addr
}

const sockExtendedErr = 16

func parseQueued(control []byte) (queuedErr, bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return queuedErr{}, false
	}
	for _, m := range messages {
		four := m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVERR
		six := m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if (four || six) && len(m.Data) >= sockExtendedErr {
			d := m.Data
			q := queuedErr{errno: binary.NativeEndian.Uint32(d), origin: d[4], kind: d[5], code: d[6], info: binary.NativeEndian.Uint32(d[8:])}
			q.by = offender(d[sockExtendedErr:])
			return q, true
		}
	}
	return queuedErr{}, false
}

// offender reads the address of who sent the error: a struct sockaddr_in or _in6.
func offender(d []byte) netip.Addr {
	if len(d) < 2 {
		return netip.Addr{}
	}
	switch family := binary.NativeEndian.Uint16(d); {
	case family == unix.AF_INET && len(d) >= 8:
		return netip.AddrFrom4([4]byte(d[4:8]))
	case family == unix.AF_INET6 && len(d) >= 24:
		return netip.AddrFrom16([16]byte(d[8:24]))
	default:
		return netip.Addr{}
	}
}
