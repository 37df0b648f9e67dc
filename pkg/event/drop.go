// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

// Conntrack tells whether a packet had a connection tracking entry.
type Conntrack uint8

// What was known of a packet's connection tracking entry.
const (
	ConntrackUnknown   Conntrack = iota // the kernel has no conntrack field
	ConntrackNone                       // no entry: untracked or invalid
	ConntrackPresent                    // an entry was attached
	ConntrackUntracked                  // marked "notrack" on purpose
)

// Ground is what the reason of a drop was read from.
type Ground uint8

// The grounds, better first.
const (
	GroundReason Ground = iota // the kernel gave it
	// GroundPlace: the kernel gave none, but the code that dropped, the packet and the
	// last lookup before leave no other. Weaker: another kernel's code may differ.
	GroundPlace
)

// PacketType is the kernel's view of whom a received frame was for (PACKET_*).
type PacketType uint8

// The packet types of if_packet.h.
const (
	PacketHost PacketType = iota
	PacketBroadcast
	PacketMulticast
	PacketOtherHost
	PacketOutgoing
)

// Drop is a packet that the kernel threw away (skb:kfree_skb).
//
// Drops are counted in the kernel per (namespace, reason, source, destination,
// device). Not every drop is an event: of each such key the first is, and then at
// most one in each sampling interval. Count is exact all the same.
type Drop struct {
	Header
	Packet Packet `json:"packet"`
	// Inner is the packet that an ICMP error quotes.
	Inner Packet `json:"inner,omitzero"`
	// Reverse is the last routing lookup on the same CPU, kept only where it
	// asks for the way back to this packet's source (fib_validate_source).
	Reverse Lookup `json:"reverse,omitzero"`
	// Reason is the running kernel's name for it, without SKB_DROP_REASON_, or the
	// name that newer kernels have for it, by Ground.
	Reason string `json:"reason"`
	Ground Ground `json:"ground,omitempty"`
	// Location is the address of the code that dropped; Symbol its name where
	// the kernel shows its symbols.
	Location uint64 `json:"location,omitempty"`
	Symbol   string `json:"symbol,omitempty"`
	// Ifindex and Iface are the packet's device at the drop: the one it came in
	// by, on the way in.
	Ifindex   uint32 `json:"ifindex,omitempty"`
	Iface     string `json:"iface,omitempty"`
	DeviceMTU uint32 `json:"device_mtu,omitempty"`
	// OutIfindex and OutIface are where the packet's route led, OutMTU what may leave
	// there; zero for a packet that was dropped before it was routed.
	OutIfindex uint32     `json:"out_ifindex,omitempty"`
	OutIface   string     `json:"out_iface,omitempty"`
	OutMTU     uint32     `json:"out_mtu,omitempty"`
	EtherType  uint16     `json:"ether_type,omitempty"`
	SourceMAC  MAC        `json:"source_mac,omitzero"`
	Type       PacketType `json:"type,omitempty"`
	Conntrack  Conntrack  `json:"conntrack,omitempty"`
	// Times is how often this very TCP segment was dropped by a firewall, Since when
	// first, where it answers or goes on with something of which connection tracking
	// has no entry. Zero for any other drop. Such a segment is told from its second
	// time on.
	Times uint32 `json:"times,omitempty"`
	Since Time   `json:"since,omitempty"`
	// Count is how many drops this key has had since the agent attached, this
	// one included. Where there are very many keys, one that was idle for a
	// minute may be forgotten, and then counts from 1 again. An event without
	// addresses counts what found no key of its own.
	Count uint64 `json:"count"`
	// Sampled is false where this event only brings a newer Count for a key
	// whose packet was told before; such an event repeats that packet's
	// addresses but not its other headers.
	Sampled bool `json:"sampled"`
}

// Kind implements Event.
func (*Drop) Kind() Kind { return KindDrop }
