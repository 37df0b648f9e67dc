// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"net/netip"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

func (d *Decoder) failureSample(w *wire.Failure) *event.PortFailure {
	d.failure = event.PortFailure{
		Header:      head(&w.Header),
		Op:          op(w.Op),
		Source:      Addr(w.Source),
		Destination: end(w.Op, w.Destination, w.Port),
		Owner:       d.owner(&w.Owner),
		Count:       w.Count,
	}
	return &d.failure
}

// FailureRow makes the event that brings a row's newer count; its owner is the
// last that failed.
func (d *Decoder) FailureRow(key *wire.PortKey, row *wire.FailureRow) *event.PortFailure {
	d.failure = event.PortFailure{
		Header:      event.Header{Time: event.Time(row.Last), Netns: event.Netns(key.Netns)},
		Op:          op(key.Op),
		Source:      Addr(key.Source),
		Destination: end(key.Op, key.Destination, key.Port),
		Owner:       d.owner(&row.Owner),
		Count:       row.Count,
	}
	return &d.failure
}

// PressureRow makes the event that tells of one destination.
func (d *Decoder) PressureRow(key *wire.PortKey, row *wire.PressureRow) *event.PortPressure {
	d.pressure = event.PortPressure{
		Header:      event.Header{Time: event.Time(row.Last), Netns: event.Netns(key.Netns)},
		Source:      Addr(key.Source),
		Destination: netip.AddrPortFrom(Addr(key.Destination), key.Port),
		Opens:       row.Opens,
		TimeWaits:   row.TimeWaits,
		Owner:       d.owner(&row.Owner),
	}
	return &d.pressure
}

func op(w uint8) event.PortOp {
	if w == wire.OpBind {
		return event.PortBind
	}
	return event.PortConnect
}

// end gives the destination, which a bind does not have.
func end(how uint8, raw [16]byte, port uint16) netip.AddrPort {
	if how == wire.OpBind {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(Addr(raw), port)
}

func (d *Decoder) owner(w *wire.Owner) event.Owner {
	return event.Owner{PID: w.Pid, Comm: d.strings.text(&w.Comm), Cgroup: w.Cgroup}
}
