// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"

	"github.com/trapbpf/trapbpf/internal/sink"
)

// A frame is one entry on disk: the length of what follows the header and its
// CRC-32C, little-endian, then the entry's number in the order of writing and the entry
// as JSON. A frame that a kill cut short, or a disk garbled, does not match its sum.
const (
	headLen  = 8
	orderLen = 8
	// maxFrame bounds a frame's body, so that a garbled length is not believed: the
	// longest line is 8 KiB, and JSON may double it.
	maxFrame = 64 << 10
)

// errTorn tells that a segment ends in the middle of a frame or is garbled from there.
var errTorn = errors.New("the segment is cut or garbled")

// stored is an entry with its place in the order.
type stored struct {
	order uint64
	entry sink.Entry
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// appendFrame appends the frame of an entry to dst.
func appendFrame(dst []byte, s stored) ([]byte, error) {
	text, err := json.Marshal(s.entry)
	if err != nil {
		return dst, err
	}
	body := binary.LittleEndian.AppendUint64(make([]byte, 0, orderLen+len(text)), s.order)
	body = append(body, text...)
	if len(body) > maxFrame {
		return dst, errors.New("the record is too long to be kept")
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(body, castagnoli()))
	return append(dst, body...), nil
}

// readFrame reads one frame and gives its length on disk. It gives io.EOF at the end
// of whole frames, errTorn where the rest is none.
func readFrame(r io.Reader) (stored, int64, error) {
	var head [headLen]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return stored{}, 0, io.EOF
		}
		return stored{}, 0, errTorn
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length < orderLen || length > maxFrame {
		return stored{}, 0, errTorn
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return stored{}, 0, errTorn
	}
	if crc32.Checksum(body, castagnoli()) != binary.LittleEndian.Uint32(head[4:]) {
		return stored{}, 0, errTorn
	}
	s := stored{order: binary.LittleEndian.Uint64(body)}
	if err := json.Unmarshal(body[orderLen:], &s.entry); err != nil {
		return stored{}, 0, errTorn
	}
	return s, headLen + int64(length), nil
}
