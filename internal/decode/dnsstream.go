// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"encoding/binary"

	"github.com/trapbpf/trapbpf/internal/wire"
)

// Bounds of what is put together: one direction of a connection each, and of a message
// as much as is captured of a datagram.
const (
	maxStreams = 512
	maxMessage = 4096
	// lengthBytes stand before each message (RFC 1035, 4.2.2).
	lengthBytes = 2
)

// streams puts messages together that arrive in several segments. The oldest stream
// makes room for a new one.
type streams struct {
	known map[streamKey]*stream
	order []streamKey // oldest first; may name streams that are gone
}

type streamKey struct {
	netns                       uint32
	source, destination         [16]byte
	sourcePort, destinationPort uint16
}

func newStreams() streams { return streams{known: map[streamKey]*stream{}} }

func keyOf(w *wire.DNS) streamKey {
	return streamKey{w.Header.Netns, w.Source, w.Destination, w.SourcePort, w.DestinationPort}
}

// feed hands a segment to its stream. payload is not copied: step must be called until
// it has no more to give, before payload changes.
func (t *streams) feed(w *wire.DNS, payload []byte) *stream {
	key := keyOf(w)
	s := t.known[key]
	if s == nil {
		t.makeRoom()
		s = &stream{}
		t.known[key] = s
		t.order = append(t.order, key)
	}
	s.feed(w.Sequence, payload, w.Length)
	return s
}

func (t *streams) makeRoom() {
	for len(t.order) >= maxStreams {
		delete(t.known, t.order[0])
		t.order = t.order[1:]
	}
}

func (t *streams) drop(w *wire.DNS) { delete(t.known, keyOf(w)) }

// stream is one direction of a connection. Segments that come before their turn wait for
// those between; what does not come at all, because the sample of it was lost, is waited
// for until there is no room any more. Then the stream begins anew behind the gap.
type stream struct {
	begun bool   // next is known
	next  uint32 // sequence number behind what was taken
	rest  []byte // of the segment under way
	lost  uint32 // bytes behind rest that were not captured
	whole []byte // a message that came before its turn, in a segment of its own
	ahead queue

	size   int // of the message under way, 0 while its length is not known
	have   int // bytes of it that passed, captured or not
	buffer []byte
}

// window is how far ahead of its turn a segment may come: what is further is another
// connection of the same ports.
const window = 1 << 16

func (s *stream) feed(sequence uint32, payload []byte, length uint32) {
	s.rest, s.lost, s.whole = nil, 0, nil
	if !s.begun && begins(payload) {
		s.begun, s.next = true, sequence
	}
	ahead := int32(sequence - s.next)
	switch {
	case s.begun && (ahead > window || ahead < -1<<20):
		s.restart(sequence)
		s.ahead = s.ahead[:0]
		s.accept(sequence, payload, length)
	case s.begun && ahead <= 0:
		s.accept(sequence, payload, length)
	default:
		s.wait(segment{at: sequence, data: payload, length: length})
	}
}

// wait keeps a segment until its turn. A message that fills it is told at once.
func (s *stream) wait(ahead segment) {
	if fills(ahead.data) && int(ahead.length) == len(ahead.data) {
		s.whole = ahead.data[lengthBytes:]
		ahead.data = nil
	}
	if !s.ahead.add(ahead) {
		return
	}
	s.restart(s.ahead[0].at)
}

// restart lets the next message begin at a sequence number.
func (s *stream) restart(at uint32) {
	s.begun, s.next = true, at
	s.size, s.have, s.buffer = 0, 0, s.buffer[:0]
}

// accept takes a segment whose turn it is, or was.
func (s *stream) accept(sequence uint32, payload []byte, length uint32) {
	again := s.next - sequence // sent before
	if again >= length {
		s.rest, s.lost = nil, 0
		return
	}
	s.next = sequence + length
	s.lost = length - uint32(len(payload))
	if again > uint32(len(payload)) {
		s.lost -= again - uint32(len(payload))
		again = uint32(len(payload))
	}
	s.rest = payload[again:]
}

// pull takes the next segment that waited for its turn, and tells whether there is one.
func (s *stream) pull() bool {
	waiting, ok := s.ahead.take(s.next)
	if !ok || !s.begun {
		return false
	}
	if waiting.data != nil {
		s.accept(waiting.at, waiting.data, waiting.length)
		return true
	}
	if end := waiting.at + waiting.length; int32(end-s.next) > 0 {
		s.restart(end) // its message was told, and is no rest of another
	}
	return true
}

// step gives the next message that is complete, and whether it was cut. The message is
// valid until the next call of feed or step.
func (s *stream) step() (message []byte, cut, ok bool) {
	if s.whole != nil {
		message, s.whole = s.whole, nil
		return message, false, true
	}
	if s.size > 0 && s.have >= s.size {
		s.size, s.have, s.buffer = 0, 0, s.buffer[:0]
	}
	for {
		if s.measure() {
			s.take()
			s.skip()
		}
		if s.size > 0 && s.have >= s.size {
			return s.buffer, len(s.buffer) < s.size, true
		}
		if !s.pull() {
			return nil, false, false
		}
	}
}

// measure reads the message's length, byte by byte: a segment may end between the two.
func (s *stream) measure() bool {
	for s.size == 0 && len(s.rest) > 0 {
		s.buffer = append(s.buffer, s.rest[0])
		s.rest = s.rest[1:]
		if len(s.buffer) == lengthBytes {
			s.size = int(binary.BigEndian.Uint16(s.buffer))
			s.buffer = s.buffer[:0]
		}
	}
	return s.size > 0
}

// take copies what the segment has of the message.
func (s *stream) take() {
	n := min(s.size-s.have, len(s.rest))
	room := max(maxMessage-len(s.buffer), 0)
	if len(s.buffer) == s.have { // nothing of it was lost yet
		s.buffer = append(s.buffer, s.rest[:min(n, room)]...)
	}
	s.have += n
	s.rest = s.rest[n:]
}

// skip passes over what was not captured. Where that is more than the message, the next
// length is among it, and the stream begins anew.
func (s *stream) skip() {
	if len(s.rest) > 0 || s.lost == 0 {
		return
	}
	n := min(s.size-s.have, int(s.lost))
	s.have += n
	s.lost = 0
}
