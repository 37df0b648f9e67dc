// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// findingIDBytes makes ids of 12 hexadecimal digits: short enough to type, and
// among the 1000 findings that may be open the chance of a clash is below 2e-9.
const findingIDBytes = 6

// ids computes identifiers from the run's seed instead of drawing them, so that a
// replay gives the same ones.
type ids struct{ seed string }

// finding gives a finding's id: stable from opened to resolved.
func (i ids) finding(k trap.Key, first event.Time) string {
	text := fmt.Sprintf("finding\x00%s\x00%s\x00%d\x00%s\x00%d", i.seed, k.Cause, k.Netns, k.Subject, first)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:findingIDBytes])
}

// record gives a record's id as a UUIDv7 (RFC 9562, section 5.7): 48 bits of
// milliseconds, the rest from the seed and the sequence number.
func (i ids) record(at time.Time, sequence uint64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "record\x00%s\x00%d", i.seed, sequence))
	var id uuid.UUID
	copy(id[:], sum[:])
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(at.UnixMilli()))
	copy(id[:6], stamp[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}
