// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"crypto/rand"
	"encoding/binary"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// echo asks by ICMP echo requests. What it measures is the way there and back: the
// answer is as large as the request.
type echo struct {
	six bool
	id  uint16
}

const echoHeader = 8

// newEcho gives a method that hears its own answers only: a random identifier names it.
func newEcho(six bool) *echo {
	var id [2]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand, since Go 1.24)
	return &echo{six: six, id: binary.BigEndian.Uint16(id[:])}
}

func (*echo) method() Method { return Echo }

func (*echo) close() {}

func (*echo) protocol(six bool) int {
	if six {
		return unix.IPPROTO_ICMPV6
	}
	return unix.IPPROTO_ICMP
}

func (e *echo) build(number, length int) []byte {
	m := icmp.Message{
		Type: ipv4.ICMPTypeEcho,
		Body: &icmp.Echo{ID: int(e.id), Seq: number, Data: make([]byte, length-echoHeader)},
	}
	if e.six {
		m.Type = ipv6.ICMPTypeEchoRequest // its checksum is the kernel's to fill in
	}
	packet, err := m.Marshal(nil)
	if err != nil {
		return nil // cannot be: both bodies can be written
	}
	return packet
}

func (e *echo) reply(packet []byte) int {
	want := byte(ipv4.ICMPTypeEchoReply)
	if e.six {
		want = byte(ipv6.ICMPTypeEchoReply)
	}
	return e.number(packet, want)
}

func (e *echo) quote(quoted []byte) int {
	want := byte(ipv4.ICMPTypeEcho)
	if e.six {
		want = byte(ipv6.ICMPTypeEchoRequest)
	}
	return e.number(quoted, want)
}

func (e *echo) number(packet []byte, kind byte) int {
	if len(packet) < echoHeader || packet[0] != kind || binary.BigEndian.Uint16(packet[4:]) != e.id {
		return 0
	}
	return int(binary.BigEndian.Uint16(packet[6:]))
}

func (*echo) arrival(bool, uint8, uint8) bool { return false }
