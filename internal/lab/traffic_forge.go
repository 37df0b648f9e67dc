// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// forge answers each packet of over 1400 bytes that comes from the client with an
// ICMP error that tells mtu, as a router with a fault of its own would. It must run
// inside the router's namespace.
func (w way) forge(ctx context.Context, mtu uint32) error {
	ears, err := w.listenRaw()
	if err != nil {
		return err
	}
	defer unix.Close(ears)
	mouth, err := w.icmpSocket()
	if err != nil {
		return err
	}
	defer unix.Close(mouth)
	var packet [1 << 16]byte
	for ctx.Err() == nil {
		if await(ears, unix.POLLIN, 50*time.Millisecond) != nil {
			continue // nothing came: look whether the run is over
		}
		size, _, err := unix.Recvfrom(ears, packet[:], 0)
		if err != nil || size <= narrowMTU {
			continue
		}
		if err := unix.Sendto(mouth, w.tooBigAbout(packet[:size], mtu), 0, w.clientSockaddr()); err != nil {
			return fmt.Errorf("send ICMP error: %w", err)
		}
	}
	return nil
}

// listenRaw hears the IP packets that come in from the client.
func (w way) listenRaw() (int, error) {
	protocol := uint16(unix.ETH_P_IP)
	if w.six() {
		protocol = unix.ETH_P_IPV6
	}
	wired := protocol<<8 | protocol>>8
	_, index, err := w.near.mac()
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(wired))
	if err != nil {
		return -1, fmt.Errorf("open raw socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: wired, Ifindex: index}); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("listen to %s: %w", w.near.name, err)
	}
	return fd, nil
}

func (w way) icmpSocket() (int, error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if w.six() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return -1, fmt.Errorf("open ICMP socket: %w", err)
	}
	return fd, nil
}

func (w way) clientSockaddr() unix.Sockaddr {
	if w.six() {
		return &unix.SockaddrInet6{Addr: w.clientAddr.As16()}
	}
	return &unix.SockaddrInet4{Addr: w.clientAddr.As4()}
}

// tooBigAbout gives the error about a packet (RFC 1191, RFC 4443). The kernel sums up
// ICMPv6 itself.
func (w way) tooBigAbout(packet []byte, mtu uint32) []byte {
	const head, quoted = 8, 520
	message := make([]byte, head, head+quoted)
	message = append(message, packet[:quoted]...)
	if w.six() {
		message[0] = 2
		binary.BigEndian.PutUint32(message[4:], mtu)
		return message
	}
	message[0], message[1] = 3, 4
	binary.BigEndian.PutUint16(message[6:], uint16(mtu))
	binary.BigEndian.PutUint16(message[2:], checksum(message))
	return message
}
