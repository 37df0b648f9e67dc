// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package stream writes records, in whatever encoding, to standard output or any
// other writer.
package stream

import (
	"fmt"
	"io"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Sink writes each record by one call of its writer, so that lines of several
// programs in one pipe do not mix.
type Sink struct {
	name    string
	out     io.Writer
	encoder sink.Encoder
	buf     []byte
}

// New gives a sink that writes to out, which stays the caller's to close.
func New(name string, out io.Writer, encoder sink.Encoder) *Sink {
	return &Sink{name: name, out: out, encoder: encoder}
}

// Name implements sink.Sink.
func (s *Sink) Name() string { return s.name }

// Write implements sink.Sink.
func (s *Sink) Write(r *finding.Record) error {
	line, err := s.encoder.Append(s.buf[:0], r)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	s.buf = line
	if _, err := s.out.Write(line); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// Close implements sink.Sink. Nothing is held back, so there is nothing to do.
func (s *Sink) Close() error { return nil }
