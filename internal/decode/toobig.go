// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"net/netip"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

func (d *Decoder) tooBigSample(w *wire.TooBig) *event.TooBig {
	d.tooBig = event.TooBig{
		Header:  head(&w.Header),
		Way:     way(w.Way),
		Packet:  packet(&w.Packet),
		Inner:   packet(&w.Inner),
		MTU:     w.Mtu,
		Ifindex: w.Ifindex,
		Iface:   d.strings.text(&w.Iface),
		Count:   w.Count,
	}
	return &d.tooBig
}

func way(w uint8) event.TooBigWay {
	switch w {
	case wire.WayArrived:
		return event.TooBigArrived
	case wire.WayAccepted:
		return event.TooBigAccepted
	case wire.WayAsked:
		return event.TooBigAsked
	default:
		return event.TooBigSent
	}
}

func (d *Decoder) refusalSample(w *wire.Refusal) *event.Refusal {
	d.refusal = event.Refusal{
		Header:   head(&w.Header),
		Owner:    d.owner(&w.Owner),
		Protocol: w.Protocol,
		Local:    netip.AddrPortFrom(Addr(w.Source), w.SourcePort),
	}
	if w.DestinationPort != 0 {
		d.refusal.Peer = netip.AddrPortFrom(Addr(w.Destination), w.DestinationPort)
	}
	return &d.refusal
}
