// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// datagram is a UDP datagram, header by header: for packets that no honest socket
// sends.
type datagram struct {
	to, from         net.HardwareAddr
	source, dest     netip.Addr
	sourcePort, port uint16
}

const (
	etherHeader = 14
	ipHeader    = 20
	udpHeader   = 8
)

// frame gives the Ethernet frame (RFC 791, RFC 768). The UDP checksum is 0: none.
func (d datagram) frame(payload []byte) []byte {
	frame := make([]byte, etherHeader+ipHeader+udpHeader, etherHeader+ipHeader+udpHeader+len(payload))
	copy(frame[0:], d.to)
	copy(frame[6:], d.from)
	binary.BigEndian.PutUint16(frame[12:], unix.ETH_P_IP)
	ip := frame[etherHeader:]
	ip[0] = 0x45 // version 4, five words
	binary.BigEndian.PutUint16(ip[2:], uint16(ipHeader+udpHeader+len(payload)))
	ip[8] = 64 // time to live
	ip[9] = unix.IPPROTO_UDP
	copy(ip[12:], d.source.AsSlice())
	copy(ip[16:], d.dest.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], checksum(ip[:ipHeader]))
	udp := ip[ipHeader:]
	binary.BigEndian.PutUint16(udp[0:], d.sourcePort)
	binary.BigEndian.PutUint16(udp[2:], d.port)
	binary.BigEndian.PutUint16(udp[4:], uint16(udpHeader+len(payload)))
	return append(frame, payload...)
}

// arpRequest asks who has an address (RFC 826).
func arpRequest(from net.HardwareAddr, sender, target netip.Addr) []byte {
	frame := make([]byte, etherHeader, 42)
	copy(frame[0:], broadcastMAC())
	copy(frame[6:], from)
	binary.BigEndian.PutUint16(frame[12:], unix.ETH_P_ARP)
	frame = append(frame, 0, 1, 8, 0, 6, 4, 0, 1) // Ethernet, IPv4, request
	frame = append(frame, from...)
	frame = append(frame, sender.AsSlice()...)
	frame = append(frame, 0, 0, 0, 0, 0, 0)
	return append(frame, target.AsSlice()...)
}

func broadcastMAC() net.HardwareAddr {
	return net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
}

// checksum is the Internet checksum over whole 16-bit words (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// wire sends raw frames out of one interface.
type wire struct {
	fd int
	to unix.SockaddrLinklayer
}

// tap opens a port for raw frames. The caller closes it.
func (p port) tap() (wire, error) {
	_, index, err := p.mac()
	if err != nil {
		return wire{}, err
	}
	w := wire{fd: -1, to: unix.SockaddrLinklayer{Ifindex: index}}
	err = p.space.do(func() (err error) {
		// Protocol 0: this socket only sends.
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return wire{}, fmt.Errorf("open raw socket in %s: %w", p.space.role, err)
	}
	return w, nil
}

func (w wire) send(frame []byte) error {
	if err := unix.Sendto(w.fd, frame, 0, &w.to); err != nil {
		return fmt.Errorf("send frame: %w", err)
	}
	return nil
}

func (w wire) close() { _ = unix.Close(w.fd) }
