// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import "net/netip"

// TooBigWay says where an ICMP "too big" was met.
type TooBigWay uint8

// The ways, from the sender's end to the receiver's.
const (
	// TooBigArrived came in by a device; a firewall may drop it yet. Only recordings of
	// earlier builds have it.
	TooBigArrived TooBigWay = iota + 1
	// TooBigAccepted was handed to this host's ICMP.
	TooBigAccepted
	// TooBigSent left this host.
	TooBigSent
	// TooBigAsked was to be sent; the kernel's rate limit may have stopped it.
	TooBigAsked
)

// TooBig is an ICMP "fragmentation needed" (type 3 code 4, RFC 1191) or an ICMPv6
// "packet too big" (type 2, RFC 8201): a router's word that a packet did not fit.
//
// Errors are counted in the kernel per (namespace, way, quoted source and
// destination, MTU); of each such key the first is an event, then at most one in
// each sampling interval, with an exact Count.
type TooBig struct {
	Header
	Way TooBigWay `json:"way"`
	// Packet is the error itself. Of one that is sent only the protocol is known,
	// where the hook sees it before it is built.
	Packet Packet `json:"packet"`
	// Inner is the packet that it quotes: Length is what that packet's own IP header
	// says.
	Inner Packet `json:"inner"`
	// MTU is what it tells, 0 where it tells none (RFC 1191, section 5).
	MTU     uint32 `json:"mtu"`
	Ifindex uint32 `json:"ifindex,omitempty"`
	Iface   string `json:"iface,omitempty"`
	Count   uint64 `json:"count"`
}

// KindTooBig is TooBig's kind.
const KindTooBig Kind = "too-big"

// Kind implements Event.
func (*TooBig) Kind() Kind { return KindTooBig }

// Received tells whether it came in, rather than left.
func (t *TooBig) Received() bool { return t.Way == TooBigArrived || t.Way == TooBigAccepted }

// Refusal is EMSGSIZE told to a socket: its datagrams may not be fragmented and are
// too big for what the kernel believes of the path (sock:inet_sk_error_report, and what
// calls it before 5.14).
type Refusal struct {
	Header
	Owner    Owner          `json:"owner"`
	Protocol uint8          `json:"protocol"`
	Local    netip.AddrPort `json:"local"`
	// Peer is zero for a socket that is not connected.
	Peer netip.AddrPort `json:"peer,omitzero"`
}

// KindRefusal is Refusal's kind.
const KindRefusal Kind = "refusal"

// Kind implements Event.
func (*Refusal) Kind() Kind { return KindRefusal }
