// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// udp asks by datagrams to a port on which nobody listens: that of traceroute, which
// firewalls know.
type udp struct {
	holder      int // keeps the source port ours
	local, peer netip.AddrPort
	lengths     map[int]int // by number
	newest      int
}

const (
	udpPort   = 33434
	udpHeader = 8
	// udpToken is how many bytes behind the header name the probe.
	udpToken = 8
	udpMagic = 0x74726170 // "trap"
)

// newUDP reserves a source port in the calling thread's namespace.
func newUDP(from, peer netip.Addr) (*udp, error) {
	fd, local, err := reserve(unix.SOCK_DGRAM, from, netip.AddrPortFrom(peer, udpPort))
	if err != nil {
		return nil, err
	}
	return &udp{
		holder: fd, local: local, peer: netip.AddrPortFrom(peer.WithZone(""), udpPort),
		lengths: map[int]int{},
	}, nil
}

// reserve connects a socket of the kernel's, so that a port is ours and answers to it
// are no strangers' packets.
func reserve(kind int, from netip.Addr, to netip.AddrPort) (int, netip.AddrPort, error) {
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, netip.AddrPort{}, fmt.Errorf("open socket: %w", err)
	}
	local, err := connect(fd, from, to)
	if err != nil {
		_ = unix.Close(fd) // nothing was sent
		return -1, netip.AddrPort{}, err
	}
	return fd, local, nil
}

// connect begins a connection and gives its own end.
func connect(fd int, from netip.Addr, to netip.AddrPort) (netip.AddrPort, error) {
	if from.IsValid() {
		if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, 0))); err != nil {
			return netip.AddrPort{}, fmt.Errorf("bind to %s: %w", from, err)
		}
	}
	if err := unix.Connect(fd, sockaddr(to)); err != nil && err != unix.EINPROGRESS {
		return netip.AddrPort{}, fmt.Errorf("reach %s: %w", to.Addr(), unreachable(err))
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("read own address: %w", err)
	}
	return addrOf(local), nil
}

func (*udp) method() Method { return UDP }

func (u *udp) close() { _ = unix.Close(u.holder) } // it sent nothing

func (*udp) protocol(bool) int { return unix.IPPROTO_UDP }

func (u *udp) build(number, length int) []byte {
	packet := make([]byte, length)
	binary.BigEndian.PutUint16(packet, u.local.Port())
	binary.BigEndian.PutUint16(packet[2:], u.peer.Port())
	binary.BigEndian.PutUint16(packet[4:], uint16(length))
	binary.BigEndian.PutUint32(packet[8:], udpMagic)
	binary.BigEndian.PutUint32(packet[12:], uint32(number))
	sum := checksum(pseudo(u.local.Addr(), u.peer.Addr(), unix.IPPROTO_UDP, length), packet)
	if sum == 0 {
		sum = 0xffff // 0 means none (RFC 768)
	}
	binary.BigEndian.PutUint16(packet[6:], sum)
	u.lengths[number] = length
	u.newest = number
	return packet
}

// pseudo is the header that checksums count in (RFC 9293, section 3.1; RFC 8200,
// section 8.1).
func pseudo(from, to netip.Addr, protocol byte, length int) []byte {
	head := append(from.AsSlice(), to.AsSlice()...)
	head = binary.BigEndian.AppendUint32(head, uint32(length))
	return append(head, 0, 0, 0, protocol)
}

// reply takes any datagram from the port: somebody listens there, and answered.
func (u *udp) reply(packet []byte) int {
	if len(packet) < udpHeader || binary.BigEndian.Uint16(packet) != u.peer.Port() || binary.BigEndian.Uint16(packet[2:]) != u.local.Port() {
		return 0
	}
	return u.newest
}

// quote knows a probe by its own token. Where no more than the header is quoted, it
// is the newest of that length.
func (u *udp) quote(quoted []byte) int {
	if len(quoted) < udpHeader || binary.BigEndian.Uint16(quoted) != u.local.Port() || binary.BigEndian.Uint16(quoted[2:]) != u.peer.Port() {
		return 0
	}
	if len(quoted) >= udpHeader+udpToken {
		if binary.BigEndian.Uint32(quoted[8:]) != udpMagic {
			return 0
		}
		return int(binary.BigEndian.Uint32(quoted[12:]))
	}
	length := int(binary.BigEndian.Uint16(quoted[4:]))
	for number := u.newest; number > 0; number-- {
		if u.lengths[number] == length {
			return number
		}
	}
	return 0
}

func (*udp) arrival(six bool, kind, code uint8) bool {
	const port4, port6 = 3, 4
	if six {
		return kind == unreachable6 && code == port6
	}
	return kind == unreachable4 && code == port4
}
