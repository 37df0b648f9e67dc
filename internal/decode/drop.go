// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"net/netip"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

func (d *Decoder) dropSample(w *wire.Drop) *event.Drop {
	d.drop = event.Drop{
		Header:    head(&w.Header),
		Packet:    packet(&w.Packet),
		Inner:     packet(&w.Inner),
		Reverse:   d.lookup(&w.Reverse),
		Reason:    d.names.Reason(w.Reason),
		Ground:    ground(w.Reason),
		Location:  w.Location,
		Symbol:    d.names.Symbol(w.Location),
		Ifindex:   w.Ifindex,
		Iface:     d.strings.text(&w.Iface),
		DeviceMTU: w.DeviceMtu,
		EtherType: w.EtherType,
		SourceMAC: w.SourceMac,
		Type:      event.PacketType(w.Type),
		Conntrack: event.Conntrack(w.Conntrack),
		Count:     w.Count,
		Sampled:   true,

		OutIfindex: w.OutIfindex,
		OutIface:   d.strings.text(&w.OutIface),
		OutMTU:     w.OutMtu,
		Since:      event.Time(w.Since),
		Times:      w.Times,
	}
	return &d.drop
}

// DropRow makes the event that brings a row's newer count. A row of the overflow
// table has no addresses: it counts what found no row of its own.
func (d *Decoder) DropRow(key *wire.DropKey, row *wire.DropRow) *event.Drop {
	d.drop = event.Drop{
		Header: event.Header{Time: event.Time(row.Last), Netns: event.Netns(key.Netns)},
		Packet: event.Packet{
			Source:      portless(key.Source, key.Destination),
			Destination: portless(key.Destination, key.Source),
		},
		Reason:    d.names.Reason(key.Reason),
		Ground:    ground(key.Reason),
		Ifindex:   key.Ifindex,
		Iface:     d.strings.text(&row.Iface),
		DeviceMTU: row.DeviceMtu,
		EtherType: row.EtherType,
		Type:      event.PacketType(row.Type),
		Conntrack: event.Conntrack(row.Conntrack),
		Count:     row.Count,
	}
	return &d.drop
}

// ground tells whether a reason's number is the kernel's own: those that the place of a
// drop gives stand behind them.
func ground(reason uint32) event.Ground {
	if reason > wire.PlacedNone && reason < wire.Reasons {
		return event.GroundPlace
	}
	return event.GroundReason
}

// portless gives one end of a row. It is an address if either end is: an IPv6
// packet may come from the wildcard, but not go to it as well.
func portless(raw, other [16]byte) netip.AddrPort {
	none := [16]byte{}
	if raw == none && other == none {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(Addr(raw), 0)
}

func packet(w *wire.Packet) event.Packet {
	p := event.Packet{
		Protocol:    w.Protocol,
		Length:      w.Length,
		SegmentSize: w.SegmentSize,
		TTL:         w.Ttl,
		TCPFlags:    w.TcpFlags,
		Sequence:    w.Sequence,
		ICMPType:    w.IcmpType,
		ICMPCode:    w.IcmpCode,
		ICMPMTU:     w.IcmpMtu,
	}
	if w.Family != 0 {
		p.Source = netip.AddrPortFrom(Addr(w.Source), w.SourcePort)
		p.Destination = netip.AddrPortFrom(Addr(w.Destination), w.DestinationPort)
	}
	return p
}

func (d *Decoder) lookup(w *wire.Lookup) event.Lookup {
	if w.Family == 0 {
		return event.Lookup{}
	}
	return event.Lookup{
		Source:      Addr(w.Source),
		Destination: Addr(w.Destination),
		Ifindex:     w.Ifindex,
		Iface:       d.strings.text(&w.Iface),
		Error:       w.Error,
		Table:       w.Table,
		Mark:        w.Mark,
	}
}
