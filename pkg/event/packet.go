// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import "net/netip"

// Packet is what the kernel's programs read of one packet's headers. Fields that
// the packet does not have, or that lay beyond what could be read, are zero.
type Packet struct {
	Source      netip.AddrPort `json:"source,omitzero"`
	Destination netip.AddrPort `json:"destination,omitzero"`
	// Protocol is the IP protocol number of the first header that is not an
	// IPv6 extension header.
	Protocol uint8 `json:"protocol,omitempty"`
	// Length is the packet's length in bytes from its network header on. For a
	// segmentation-offload super-packet it is the super-packet's.
	Length uint32 `json:"length,omitempty"`
	// SegmentSize is gso_size: payload bytes per wire segment, 0 where the
	// packet is not a super-packet.
	SegmentSize uint16 `json:"segment_size,omitempty"`
	// TTL is the IPv4 time to live or the IPv6 hop limit.
	TTL uint8 `json:"ttl,omitempty"`
	// TCPFlags is the low byte of TCP's flags (FIN 1, SYN 2, RST 4, PSH 8, ACK 16).
	TCPFlags uint8  `json:"tcp_flags,omitempty"`
	Sequence uint32 `json:"sequence,omitempty"`
	ICMPType uint8  `json:"icmp_type,omitempty"`
	ICMPCode uint8  `json:"icmp_code,omitempty"`
	// ICMPMTU is the MTU that a "fragmentation needed" or "packet too big"
	// tells, 0 where the packet is neither.
	ICMPMTU uint32 `json:"icmp_mtu,omitempty"`
}

// IP protocol numbers that detectors tell apart.
const (
	ProtocolICMP   = 1
	ProtocolTCP    = 6
	ProtocolUDP    = 17
	ProtocolICMPv6 = 58
)

// TCP flag bits.
const (
	TCPFin = 1 << iota
	TCPSyn
	TCPRst
	TCPPsh
	TCPAck
)

// IsZero tells whether nothing was read.
func (p Packet) IsZero() bool { return p == Packet{} }

// Lookup is one routing lookup of the kernel: which way would it send this?
type Lookup struct {
	Source      netip.Addr `json:"source,omitzero"`
	Destination netip.Addr `json:"destination,omitzero"`
	// Ifindex and Iface are the device of the route that was found; zero where
	// none was.
	Ifindex uint32 `json:"ifindex,omitempty"`
	Iface   string `json:"iface,omitempty"`
	// Error is the lookup's negative errno, 0 where it found a route.
	Error int32  `json:"error,omitempty"`
	Table uint32 `json:"table,omitempty"`
	Mark  uint32 `json:"mark,omitempty"`
}

// IsZero tells whether there was no lookup.
func (l Lookup) IsZero() bool { return l == Lookup{} }
