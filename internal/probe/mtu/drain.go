// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// answerBytes is how much of an answer is looked at: the headers are.
const answerBytes = 512

// drain takes all answers and errors that wait at the socket.
func (l *line) drain() {
	for l.receive() {
	}
	for l.receiveError() {
	}
	_, _ = unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ERROR) // told already, by the queue
}

func (l *line) receive() bool {
	var buffer [answerBytes]byte
	n, _, err := unix.Recvfrom(l.fd, buffer[:], unix.MSG_DONTWAIT)
	if err != nil {
		return false
	}
	packet := buffer[:n]
	if !l.six { // the header comes along
		if n < 20 || n < headerSize(packet) {
			return true
		}
		packet = packet[headerSize(packet):]
	}
	if number := l.reply(packet); number != 0 {
		l.settle(number, outcome{what: arrived, by: l.peer})
	}
	return true
}

func headerSize(packet []byte) int { return int(packet[0]&0x0f) * 4 }

func (l *line) receiveError() bool {
	var buffer [answerBytes]byte
	var control [256]byte
	n, cn, _, _, err := unix.Recvmsg(l.fd, buffer[:], control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return false
	}
	q, ok := parseQueued(control[:cn])
	if !ok {
		return true
	}
	if q.origin == unix.SO_EE_ORIGIN_LOCAL {
		if unix.Errno(q.errno) == unix.EMSGSIZE {
			l.settle(len(l.shots), outcome{what: tooBig, mtu: int(q.info)})
		}
		return true
	}
	if number := l.quote(buffer[:n]); number != 0 && n >= 8 {
		l.settle(number, l.meaning(q))
	}
	return true
}

// The ICMP errors that matter, by the numbers of RFC 792 and RFC 4443.
const (
	unreachable4, fragmentation4, exceeded4 = 3, 4, 11
	unreachable6, tooBig6, exceeded6        = 1, 2, 3
)

// meaning tells what an ICMP error says about a probe.
func (l *line) meaning(q queuedErr) outcome {
	o := outcome{what: refused, by: q.by}
	switch {
	case q.by == l.peer.WithZone("") && l.arrival(l.six, q.kind, q.code):
		o.what = arrived
	case !l.six && q.kind == unreachable4 && q.code == fragmentation4, l.six && q.kind == tooBig6:
		o.what, o.mtu = tooBig, int(q.info)
	case !l.six && q.kind == exceeded4, l.six && q.kind == exceeded6:
		o.what = expired
	}
	return o
}

// checksum is the Internet checksum (RFC 1071) over some parts, each of an even length
// but the last.
func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, part := range parts {
		for len(part) >= 2 {
			sum += uint32(binary.BigEndian.Uint16(part))
			part = part[2:]
		}
		if len(part) == 1 {
			sum += uint32(part[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
