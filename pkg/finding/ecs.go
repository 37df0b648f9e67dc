// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// MaxLine is the longest line in bytes that a record becomes, its newline included.
// Syslog relays and SIEM decoders commonly cut what is longer.
const MaxLine = 8 << 10

const (
	ecsVersion = "8.17.0"
	dataset    = "trapbpf.finding"
)

// ErrNotFinding tells that a line is JSON, but no finding's record: the agent's own
// state events, for instance.
var ErrNotFinding = errors.New("not a finding record")

// AppendJSON appends a record to dst as one ECS JSON object without a newline, at
// most MaxLine-1 bytes of it. The same record gives the same bytes.
//
// Where a record is too long, its text is shortened and its lists lose their last
// entries, and trapbpf.left_out says so; see Document.Fit.
func AppendJSON(dst []byte, r *Record) ([]byte, error) {
	if r.Notice != nil {
		return appendNotice(dst, r)
	}
	doc := NewDocument(r)
	text, err := doc.Fit(MaxLine - 1)
	if err != nil {
		return dst, fmt.Errorf("encode record %s: %w", r.ID, err)
	}
	return append(dst, text...), nil
}

// ParseRecord reads a line that AppendJSON wrote. Fields that it does not know are
// passed over, so that it reads what a newer agent wrote. It gives ErrNotFinding
// for other JSON objects.
func ParseRecord(line []byte) (*Document, error) {
	doc := new(Document)
	if err := json.Unmarshal(line, doc); err != nil {
		return nil, fmt.Errorf("parse record: %w", err)
	}
	if doc.Event.Dataset != dataset {
		return nil, fmt.Errorf("parse record: dataset %q: %w", doc.Event.Dataset, ErrNotFinding)
	}
	return doc, nil
}

// EncodeJSON gives v as compact JSON without a newline. Unlike json.Marshal it
// leaves <, > and & alone, which shell commands are full of, and escapes every
// character that does not print, so that a line shown on a terminal or in a log
// viewer cannot command it or turn its text around. The meaning is the same.
func EncodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return harmless(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}
