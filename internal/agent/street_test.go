// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"
	"unsafe"

	"github.com/trapbpf/trapbpf/internal/decode"
	"github.com/trapbpf/trapbpf/internal/engine"
	"github.com/trapbpf/trapbpf/internal/trap/all"
	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// flood is one drop sample of the kernel's, of an interface in strict mode, to be
// told again and again with a higher count.
func flood() *wire.Drop {
	drop := &wire.Drop{Reason: 1, Ifindex: 3, EtherType: 0x0800}
	drop.Header.Kind = wire.KindDrop
	drop.Header.Netns = 7
	copy(drop.Iface[:], "eth1")
	drop.Packet.Source = mapped(10, 10, 3, 2)
	drop.Packet.Destination = mapped(10, 10, 1, 2)
	drop.Packet.Family = 4
	drop.Packet.Protocol = event.ProtocolTCP
	return drop
}

func mapped(a, b, c, d byte) [16]byte {
	return [16]byte{10: 0xff, 11: 0xff, 12: a, 13: b, 14: c, 15: d}
}

func bytesOf(d *wire.Drop) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(d)), unsafe.Sizeof(*d)) }

// street is decode, tables, detectors and engine behind one another.
func street() (*decode.Decoder, *engine.Engine, *int) {
	records := new(int)
	e := engine.New(all.Detectors(), 0, engine.Out{Record: func(*finding.Record) { *records++ }})
	e.Observe(&event.Host{Seed: "seed"})
	e.Observe(&event.Routing{
		Header:     event.Header{Time: event.Time(time.Second), Netns: 7},
		Interfaces: []event.Interface{{Index: 3, Name: "eth1", RPFilter: 1, Effective: 1}},
	})
	reason := func(uint32) string { return "IP_RPFILTER" }
	return decode.New(decode.Names{Reason: reason}), e, records
}

// BenchmarkStreet is one event from the ring's bytes to the folded finding.
func BenchmarkStreet(b *testing.B) {
	decoder, e, records := street()
	sample := flood()
	raw := bytesOf(sample)
	b.ReportAllocs()
	for b.Loop() {
		sample.Count++
		sample.Header.Time += 1000
		ev, err := decoder.Decode(raw)
		if err != nil {
			b.Fatal(err)
		}
		e.Observe(ev)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	if *records > 10 {
		b.Fatalf("%d records: repeats are not folded", *records)
	}
}

func TestStreetFoldsAFloodIntoOneFinding(t *testing.T) {
	decoder, e, records := street()
	sample := flood()
	const events = 100_000
	for range events {
		sample.Count += 2
		sample.Header.Time += 10_000
		ev, err := decoder.Decode(bytesOf(sample))
		if err != nil {
			t.Fatal(err)
		}
		e.Observe(ev)
	}
	e.Observe(&event.Tick{Header: event.Header{Time: event.Time(sample.Header.Time) + event.Time(time.Second)}})
	if e.Open() != 1 || *records == 0 || *records > 4 {
		t.Errorf("%d findings open, %d records", e.Open(), *records)
	}
}
