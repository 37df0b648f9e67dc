// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"net/netip"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// etherTypeARP is not routed and so has no reverse path.
const etherTypeARP = 0x0806

// byFirewall is the reason of what a packet filter dropped.
const byFirewall = "NETFILTER_DROP"

// strayed tells that a firewall dropped a packet that came in by another device than
// the kernel's own lookup of the way back names: a lookup that a rule for that made,
// or one that was made for another purpose.
func strayed(e *event.Drop) bool {
	return e.Sampled && !e.Reverse.IsZero() && e.Reverse.Ifindex != e.Ifindex && e.Ifindex != 0
}

// classify tells which cause a drop reason speaks for. The names are those of
// enum skb_drop_reason; a kernel that lacks one never sends it.
func classify(e *event.Drop) (finding.Cause, bool) {
	switch e.Reason {
	case "IP_RPFILTER", byFirewall:
		return RPFilterStrict, true
	case "IP_LOCAL_SOURCE", "IP_INVALID_SOURCE", "IP_LOCALNET":
		return MartianSource, true
	default:
		return "", false
	}
}

// innocent tells apart what is dropped for the same reasons and harms nobody:
// frames for everybody on the segment, and sources that senders of multicast use.
func innocent(e *event.Drop, facts *flow.Facts) bool {
	source, destination := e.Packet.Source.Addr(), e.Packet.Destination.Addr()
	switch {
	case e.EtherType == etherTypeARP, e.Type != event.PacketHost:
		return true
	case source.IsMulticast(), destination.IsMulticast(), isBroadcast(destination):
		return true
	default:
		return isSubnetBroadcast(facts.Namespace(e.Netns).Routing, destination)
	}
}

func isBroadcast(a netip.Addr) bool { return a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) }

func isSubnetBroadcast(r *event.Routing, a netip.Addr) bool {
	if r == nil || !a.Is4() {
		return false
	}
	for _, iface := range r.Interfaces {
		for _, prefix := range iface.Prefixes {
			if prefix.Addr().Is4() && prefix.Bits() < 31 && a == lastOf(prefix) {
				return true
			}
		}
	}
	return false
}

// lastOf gives an IPv4 prefix's highest address: its directed broadcast.
func lastOf(prefix netip.Prefix) netip.Addr {
	bytes := prefix.Masked().Addr().As4()
	for bit := prefix.Bits(); bit < 32; bit++ {
		bytes[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(bytes)
}

// subject is the misconfigured thing: the interface for reverse-path drops, since
// its setting is one whatever the sources; the interface and the kind of source
// for martians, since each kind has another origin.
func subject(cause finding.Cause, e *event.Drop) string {
	if e.Reason == byFirewall {
		return e.Iface + " firewall"
	}
	if cause == RPFilterStrict {
		return e.Iface
	}
	return e.Iface + " " + sourceKind(e.Packet.Source.Addr(), e.Reason)
}

// sourceKind names why a source is impossible.
func sourceKind(source netip.Addr, reason string) string {
	switch {
	case source.IsLoopback():
		return "loopback"
	case source.IsUnspecified():
		return "zero"
	case isBroadcast(source):
		return "broadcast"
	case reason == "IP_LOCAL_SOURCE":
		return "own"
	default:
		return "impossible"
	}
}

// isReply tells that a packet answers something: it was not sent at random.
func isReply(p event.Packet) bool {
	const echoReply = 0
	switch p.Protocol {
	case event.ProtocolTCP:
		return p.TCPFlags&event.TCPAck != 0
	case event.ProtocolICMP:
		return p.ICMPType == echoReply
	default:
		return false
	}
}
