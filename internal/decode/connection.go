// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"fmt"
	"net/netip"
	"unsafe"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

func (d *Decoder) retransmitSample(w *wire.Retransmit) *event.Retransmit {
	d.retransmit = event.Retransmit{
		Header:     head(&w.Header),
		Connection: connection(&w.Connection),
		Owner:      d.owner(&w.Owner),
		Since:      event.Time(w.Since),
		Size:       w.Size,
		Timeouts:   w.Timeouts,
		Passed:     w.Passed,
	}
	return &d.retransmit
}

func connection(w *wire.Connection) event.Connection {
	return event.Connection{
		Local:         netip.AddrPortFrom(Addr(w.Source), w.SourcePort),
		Peer:          netip.AddrPortFrom(Addr(w.Destination), w.DestinationPort),
		State:         event.TCPState(w.State),
		Unacked:       w.Una,
		Next:          w.Next,
		ReceiveNext:   w.ReceiveNext,
		Hole:          w.Hole,
		Queued:        w.Queued,
		BytesAcked:    w.BytesAcked,
		BytesReceived: w.BytesReceived,
		Delivered:     w.Delivered,
		SegmentsIn:    w.SegmentsIn,
		Out:           w.Out,
		Sacked:        w.Sacked,
		Lost:          w.Lost,
		SackedBytes:   w.SackedBytes,
		Window:        w.Window,
		MSS:           w.Mss,
		Overhead:      w.Overhead,
		PathMTU:       w.PathMtu,
		ReceiveMSS:    uint32(w.ReceiveMss),
		Retransmits:   w.Retransmits,
		Backoff:       w.Backoff,
		DSACKs:        w.Dsacks,
		Probing:       w.Probing != 0,
		ProbeSize:     w.ProbeSize,
	}
}

// ConnectionSize is the size of what a sweep gives for each connection.
const ConnectionSize = int(unsafe.Sizeof(wire.Connection{}))

// Connection reads one connection of a sweep.
func Connection(raw []byte) (event.Connection, error) {
	var w wire.Connection
	if err := load(&w, raw); err != nil {
		return event.Connection{}, fmt.Errorf("connection: %w", err)
	}
	return connection(&w), nil
}
