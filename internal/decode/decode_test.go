// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"errors"
	"fmt"
	"testing"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// everySample gives a sample of each kind.
func everySample() map[string][]byte {
	return map[string][]byte{
		"drop":       raw(dropSample()),
		"failure":    raw(failureSample()),
		"dial":       raw(wire.Dial{Header: header(wire.KindDial), Owner: owner(), Destination: on("10.4.5.6")}),
		"retransmit": raw(wire.Retransmit{Header: header(wire.KindRetransmit), Owner: owner()}),
		"too big":    raw(wire.TooBig{Header: header(wire.KindTooBig), Iface: named("eth0"), Mtu: 1400}),
		"refusal":    raw(wire.Refusal{Header: header(wire.KindRefusal), Owner: owner()}),
	}
}

func TestSampleOfAnotherSizeIsMalformed(t *testing.T) {
	for name, sample := range everySample() {
		t.Run(name, func(t *testing.T) {
			d := New(names())
			if _, err := d.Decode(sample); err != nil {
				t.Fatalf("whole sample: %v", err)
			}
			for size := range sample {
				if _, err := d.Decode(sample[:size]); !errors.Is(err, ErrMalformed) {
					t.Fatalf("%d of %d bytes: %v, want ErrMalformed", size, len(sample), err)
				}
			}
			if _, err := d.Decode(append(sample, 0)); !errors.Is(err, ErrMalformed) {
				t.Errorf("a byte too many: %v, want ErrMalformed", err)
			}
		})
	}
}

func TestUnknownKindIsMalformed(t *testing.T) {
	for _, kind := range []uint32{0, wire.KindPressure, wire.Kinds, ^uint32(0)} {
		if _, err := New(names()).Decode(raw(wire.Header{Kind: kind})); !errors.Is(err, ErrMalformed) {
			t.Errorf("kind %d: %v, want ErrMalformed", kind, err)
		}
	}
}

func TestDecodingAllocatesNothing(t *testing.T) {
	for name, sample := range everySample() {
		d := New(names())
		allocations := testing.AllocsPerRun(100, func() {
			if _, err := d.Decode(sample); err != nil {
				t.Fatal(err)
			}
		})
		if allocations != 0 {
			t.Errorf("%s: %v allocations a sample", name, allocations)
		}
	}
}

func TestNamesOfAnyNumberAreKeptInBoundedSpace(t *testing.T) {
	d := New(Names{})
	sample := dropSample()
	for n := range 3 * maxNames {
		text := fmt.Sprintf("veth%d", n)
		sample.Iface = named(text)
		got, err := d.Decode(raw(sample))
		if err != nil {
			t.Fatal(err)
		}
		if iface := got.(*event.Drop).Iface; iface != text {
			t.Fatalf("iface %q, want %q", iface, text)
		}
		if len(d.strings.known) > maxNames {
			t.Fatalf("%d names kept, want at most %d", len(d.strings.known), maxNames)
		}
	}
}

func TestNameWithoutAnEndIsTakenWhole(t *testing.T) {
	sample := dropSample()
	sample.Iface = named("0123456789abcdef")
	got, err := New(Names{}).Decode(raw(sample))
	if err != nil {
		t.Fatal(err)
	}
	if iface := got.(*event.Drop).Iface; iface != "0123456789abcdef" {
		t.Errorf("iface %q", iface)
	}
}

func FuzzDecode(f *testing.F) {
	for _, sample := range everySample() {
		f.Add(sample)
		f.Add(sample[:len(sample)/2])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sample []byte) {
		d := New(names())
		e, err := d.Decode(sample)
		for more := 0; e != nil && err == nil; more++ {
			if more > len(sample) {
				t.Fatalf("%d bytes give more events than bytes", len(sample))
			}
			e, err = d.Next()
		}
		if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrGarbled) {
			t.Errorf("error %v is of no known sort", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for name, sample := range everySample() {
		b.Run(name, func(b *testing.B) {
			d := New(names())
			b.ReportAllocs()
			b.SetBytes(int64(len(sample)))
			for b.Loop() {
				if _, err := d.Decode(sample); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
