// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// prefixed gives messages as a stream has them.
func prefixed(messages ...[]byte) []byte {
	var stream []byte
	for _, m := range messages {
		stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(m))), m...)
	}
	return stream
}

// overStream sends a stream in segments of the given sizes, and gives the ids of the
// answers that come of it.
func overStream(t *testing.T, d *Decoder, first uint32, stream []byte, sizes ...int) (ids []uint16, cut []bool) {
	t.Helper()
	head := answerHead()
	head.Protocol = event.ProtocolTCP
	for i := 0; len(stream) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(stream))
		head.Sequence, head.Length = first, uint32(n)
		sample := packetOf(head, stream[:min(n, maxMessage)])
		first += uint32(n)
		stream = stream[n:]
		for e, err := d.Decode(sample); e != nil || err != nil; e, err = d.Next() {
			if err != nil {
				t.Fatal(err)
			}
			answer := e.(*event.DNSAnswer)
			ids, cut = append(ids, answer.ID), append(cut, answer.Cut)
		}
	}
	return ids, cut
}

func numbered(t testing.TB, id uint16, records int) []byte {
	t.Helper()
	var many []dnsmessage.Resource
	for i := range records {
		many = append(many, record("example.org.", 60, a(byte(i))))
	}
	m := answers("example.org.", dnsmessage.TypeA, many...)
	m.ID = id
	return pack(t, m)
}

func TestStreamIsPutTogetherHoweverItIsCut(t *testing.T) {
	stream := prefixed(numbered(t, 1, 3), numbered(t, 2, 100), numbered(t, 3, 0))
	for _, sizes := range [][]int{{1}, {2}, {3}, {7, 1}, {1448}, {len(stream)}, {1, len(stream)}} {
		ids, cut := overStream(t, New(Names{}), 4294967290, stream, sizes...)
		if !slices.Equal(ids, []uint16{1, 2, 3}) || slices.Contains(cut, true) {
			t.Errorf("segments of %v bytes: ids %v, cut %v", sizes, ids, cut)
		}
	}
}

func TestLongMessageOfAStreamIsCutNotLost(t *testing.T) {
	stream := prefixed(numbered(t, 1, 500), numbered(t, 2, 1))
	ids, cut := overStream(t, New(Names{}), 5, stream, 1448)
	if !slices.Equal(ids, []uint16{1, 2}) || !slices.Equal(cut, []bool{true, false}) {
		t.Errorf("ids %v, cut %v", ids, cut)
	}
}

func TestSegmentSentAgainAddsNothing(t *testing.T) {
	d := New(Names{})
	stream := prefixed(numbered(t, 1, 3), numbered(t, 2, 3))
	once, _ := overStream(t, d, 100, stream[:60], 60)
	again, _ := overStream(t, d, 100, stream[:60], 60)
	rest, _ := overStream(t, d, 140, stream[40:], 30)
	if got := slices.Concat(once, again, rest); !slices.Equal(got, []uint16{1, 2}) {
		t.Errorf("ids %v, %v, %v", once, again, rest)
	}
}

func TestGapInAStreamBeginsItAnew(t *testing.T) {
	d := New(Names{})
	overStream(t, d, 100, prefixed(numbered(t, 1, 3))[:20], 20)
	ids, _ := overStream(t, d, 5000, prefixed(numbered(t, 2, 3)), 1448)
	if !slices.Equal(ids, []uint16{2}) {
		t.Errorf("ids %v", ids)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	d := New(Names{})
	head := answerHead()
	head.Protocol = event.ProtocolTCP
	for port := range uint16(3 * maxStreams) {
		head.DestinationPort = port
		if e, err := d.Decode(packetOf(head, []byte{0, 200, 1, 2, 3})); e != nil || err != nil {
			t.Fatal(e, err)
		}
	}
	if n := len(d.dns.streams.known); n > maxStreams {
		t.Errorf("%d streams are kept", n)
	}
}

// segments cuts a stream into samples of size bytes.
func segments(first uint32, stream []byte, size int) [][]byte {
	head := answerHead()
	head.Protocol = event.ProtocolTCP
	var samples [][]byte
	for part := range slices.Chunk(stream, size) {
		head.Sequence, head.Length = first, uint32(len(part))
		samples = append(samples, packetOf(head, part))
		first += uint32(len(part))
	}
	return samples
}

// told gives the ids of the answers in samples, sorted.
func told(t *testing.T, d *Decoder, samples [][]byte) []uint16 {
	t.Helper()
	var ids []uint16
	for _, sample := range samples {
		for e, err := d.Decode(sample); e != nil || err != nil; e, err = d.Next() {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, e.(*event.DNSAnswer).ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func TestSegmentsAreReadInAnyOrder(t *testing.T) {
	stream := prefixed(numbered(t, 1, 20), numbered(t, 2, 60), numbered(t, 3, 2))
	for _, order := range [][]int{{0, 1, 2, 3}, {1, 0, 2, 3}, {0, 2, 1, 3}, {0, 3, 2, 1}, {3, 2, 1, 0}, {2, 0, 3, 1}, {2, 2, 0, 0, 1, 3, 1}} {
		parts := segments(4294967000, stream, (len(stream)+3)/4)
		var samples [][]byte
		for _, i := range order {
			samples = append(samples, parts[i])
		}
		if ids := told(t, New(Names{}), samples); !slices.Equal(ids, []uint16{1, 2, 3}) {
			t.Errorf("in the order %v: ids %v", order, ids)
		}
	}
}

func TestMessageOfItsOwnSegmentNeedNotWait(t *testing.T) {
	d := New(Names{})
	one, two, three := prefixed(numbered(t, 1, 1)), prefixed(numbered(t, 2, 1)), prefixed(numbered(t, 3, 1))
	at := func(n int) uint32 { return 700 + uint32(n) }
	first := segments(at(0), one, len(one))
	second := segments(at(len(one)), two, len(two))
	third := segments(at(len(one)+len(two)), three, 20)
	if ids := told(t, d, slices.Concat(first, third)); !slices.Equal(ids, []uint16{1}) {
		t.Errorf("ids %v, want 1 alone: the third has to wait for its turn", ids)
	}
	if ids := told(t, d, second); !slices.Equal(ids, []uint16{2, 3}) {
		t.Errorf("ids %v", ids)
	}
	fourth := prefixed(numbered(t, 4, 1))
	beyond := segments(at(len(one)+len(two)+len(three)+40), fourth, len(fourth))
	if ids := told(t, d, beyond); !slices.Equal(ids, []uint16{4}) {
		t.Errorf("ids %v, want 4 although 40 bytes before it are missing", ids)
	}
}

func TestGapThatNobodyFillsIsGivenUp(t *testing.T) {
	d := New(Names{})
	told(t, d, segments(100, prefixed(numbered(t, 1, 3))[:20], 20))
	after := prefixed(numbered(t, 2, 10), numbered(t, 3, 10), numbered(t, 4, 10))
	if ids := told(t, d, segments(400, after, 100)); !slices.Equal(ids, []uint16{2, 3, 4}) {
		t.Errorf("ids %v", ids)
	}
	for _, s := range d.dns.streams.known {
		if len(s.ahead) > maxAhead {
			t.Errorf("%d segments wait", len(s.ahead))
		}
	}
}
