// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Kind is a packet about which rules are asked.
type Kind int

// The kinds. All belong to connections that this host, or a host behind it, has:
// Data is a TCP segment of one, TooBig the ICMP error that teaches its path MTU, and
// OneSided a segment of a connection whose other half took another way, so that
// conntrack calls it INVALID.
const (
	Data Kind = iota
	TooBig
	OneSided
)

func kinds() []Kind { return []Kind{Data, TooBig, OneSided} }

// Conntrack states as nftables and xtables number them.
const (
	stateInvalid     = 1
	stateEstablished = 2
	stateRelated     = 4
)

const (
	protoTCP    = unix.IPPROTO_TCP
	protoICMP   = unix.IPPROTO_ICMP
	protoICMPv6 = unix.IPPROTO_ICMPV6

	unreachable  = 3 // ICMP type, with the code fragNeeded (RFC 1191)
	fragNeeded   = 4
	packetTooBig = 2 // ICMPv6 type (RFC 4443)

	tcpAck = 0x10
)

// packet is what is known of a packet. Its addresses, ports and interfaces are not,
// but for the latter not being the loopback.
type packet struct {
	six                bool
	proto              byte
	icmpType, icmpCode byte
	state              uint32
}

func newPacket(kind Kind, six bool) packet {
	switch {
	case kind == Data:
		return packet{six: six, proto: protoTCP, state: stateEstablished}
	case kind == OneSided:
		return packet{six: six, proto: protoTCP, state: stateInvalid}
	case six:
		return packet{six: true, proto: protoICMPv6, icmpType: packetTooBig, state: stateRelated}
	default:
		return packet{proto: protoICMP, icmpType: unreachable, icmpCode: fragNeeded, state: stateRelated}
	}
}

func (p *packet) icmp() bool { return p.proto == protoICMP || p.proto == protoICMPv6 }

// family is NFPROTO_IPV4 or NFPROTO_IPV6.
func (p *packet) family() byte {
	if p.six {
		return unix.NFPROTO_IPV6
	}
	return unix.NFPROTO_IPV4
}

func (p *packet) etherType() []byte {
	if p.six {
		return binary.BigEndian.AppendUint16(nil, unix.ETH_P_IPV6)
	}
	return binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP)
}

// network gives bytes of the IP header where they are known.
func (p *packet) network(offset, size uint32) ([]byte, bool) {
	const protocolIPv4, protocolIPv6 = 9, 6
	if size != 1 || offset != protocolIPv4 && !p.six || offset != protocolIPv6 && p.six {
		return nil, false
	}
	return []byte{p.proto}, true
}

// transport gives bytes of the header behind it where they are known.
func (p *packet) transport(offset, size uint32) ([]byte, bool) {
	const flags = 13
	switch {
	case p.icmp() && offset+size <= 2:
		return []byte{p.icmpType, p.icmpCode}[offset : offset+size], true
	case p.proto == protoTCP && offset == flags && size == 1:
		return []byte{tcpAck}, true
	default:
		return nil, false
	}
}
