// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Writer writes a recording. It is not safe for concurrent use.
type Writer struct {
	out    *bufio.Writer
	redact *Redactor
	err    error
}

// NewWriter writes the header to w. A redactor replaces addresses and names in
// what follows; nil leaves them. Trapbpf and Format are filled in.
func NewWriter(w io.Writer, h Header, redact *Redactor) (*Writer, error) {
	h.Trapbpf, h.Format = magic, Format
	if redact != nil {
		h.Redacted = redact.what()
	}
	t := &Writer{out: bufio.NewWriter(w), redact: redact}
	if err := t.line(h); err != nil {
		return nil, err
	}
	return t, nil
}

// Write adds an event. After the first error every call gives that error: a
// recording with a hole would replay to other findings.
func (t *Writer) Write(e event.Event) error {
	if t.err != nil {
		return t.err
	}
	kind := e.Kind()
	if t.redact != nil {
		e = t.redact.event(e)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return t.fail(fmt.Errorf("encode %s: %w", kind, err))
	}
	return t.line(line{Kind: kind, Event: text})
}

func (t *Writer) line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return t.fail(err)
	}
	if _, err := t.out.Write(append(text, '\n')); err != nil {
		return t.fail(fmt.Errorf("write recording: %w", err))
	}
	return nil
}

func (t *Writer) fail(err error) error {
	t.err = err
	return err
}

// Flush hands what is buffered to the underlying writer.
func (t *Writer) Flush() error {
	if t.err != nil {
		return t.err
	}
	if err := t.out.Flush(); err != nil {
		return t.fail(fmt.Errorf("write recording: %w", err))
	}
	return nil
}
