// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"encoding/binary"
	"slices"
)

// Bounds of what waits for its turn in one stream: a resolver's answers are a few
// segments long.
const (
	maxAhead      = 4
	maxAheadBytes = 8192
)

// segment is a part of a stream.
type segment struct {
	at     uint32 // sequence number
	data   []byte // nil where its message was told before its turn
	length uint32 // of the segment; data may have been cut
}

// queue is the segments of a stream that wait, in the order of their turns.
type queue []segment

// add keeps a copy of a segment, and tells whether there was too little room for it: the
// queue is then to be taken as it is.
func (q *queue) add(s segment) (full bool) {
	at, known := slices.BinarySearchFunc(*q, s.at, func(s segment, at uint32) int { return int(int32(s.at - at)) })
	if known {
		return false
	}
	if s.data != nil {
		s.data = append(make([]byte, 0, len(s.data)), s.data...)
	}
	*q = slices.Insert(*q, at, s)
	bytes := 0
	for _, s := range *q {
		bytes += len(s.data)
	}
	return len(*q) > maxAhead || bytes > maxAheadBytes
}

// take removes and gives the first segment where its turn has come.
func (q *queue) take(next uint32) (segment, bool) {
	if len(*q) == 0 || int32((*q)[0].at-next) > 0 {
		return segment{}, false
	}
	first := (*q)[0]
	*q = slices.Delete(*q, 0, 1)
	return first, true
}

// headerBytes are those of a message's header (RFC 1035, 4.1.1).
const headerBytes = 12

// begins tells whether a segment may be the beginning of a stream: a length, and the
// header of a message with one question and operation 0. Of a few bytes it may.
func begins(payload []byte) bool {
	if len(payload) < lengthBytes+headerBytes {
		return true
	}
	header := payload[lengthBytes:]
	operation := header[2] >> 3 & 0xf
	return binary.BigEndian.Uint16(payload) >= headerBytes && operation == 0 && binary.BigEndian.Uint16(header[4:]) == 1
}

// fills tells whether a segment is one message and nothing else.
func fills(payload []byte) bool {
	return len(payload) >= lengthBytes+headerBytes && begins(payload) &&
		int(binary.BigEndian.Uint16(payload)) == len(payload)-lengthBytes
}
