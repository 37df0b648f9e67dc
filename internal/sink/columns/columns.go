// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package columns shows records to people: what `--output columns` gives.
//
// An opened finding is one block that answers, from top to bottom, what is wrong,
// where, who is hit, why the agent thinks so, what mends it and how to see that it
// did. An update is two lines, a resolution too. Commands stand alone on their line,
// never wrapped, so that they can be copied.
//
// Nothing that came from the network or from a process reaches the terminal before
// finding.Printable has seen it.
package columns

import (
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Options say how it looks.
type Options struct {
	// Color paints with the terminal's own eight colours.
	Color bool
	// Width is where text wraps, in columns; 0 never wraps, as for a file.
	Width int
	// Location is the time zone of the times shown; UTC where nil.
	Location *time.Location
}

// Encoder is a sink.Encoder. It keeps nothing from one record to the next, and has no form
// for the agent's own state: a person reads that in the log.
type Encoder struct{ Options }

// Append implements sink.Encoder.
func (e Encoder) Append(dst []byte, r *finding.Record) ([]byte, error) {
	if r.Notice != nil {
		return dst, nil
	}
	p := page{dst: dst, Options: e.Options}
	switch r.Action {
	case finding.Updated:
		p.update(r)
	case finding.Closed:
		p.resolution(r)
	default:
		p.block(r)
	}
	p.newline()
	return p.dst, nil
}

// heading is the line that is read first, and often alone.
func (p *page) heading(word string, color style, message string) {
	p.dst = append(p.dst, p.paint(color+bold, pad(word, headColumn))...)
	p.wrapped(headColumn, bold, message)
}

// headline gives a finding's severity as a word, with its colour.
func headline(s finding.Severity) (word string, color style) {
	switch {
	case s >= finding.Critical:
		return "CRITICAL", red
	case s >= finding.High:
		return "HIGH", red
	case s >= finding.Medium:
		return "MEDIUM", yellow
	default:
		return "LOW", blue
	}
}

func (p *page) update(r *finding.Record) {
	word, color := headline(r.Severity)
	p.heading(word, color, r.Message)
	p.note("updated "+p.clock(r.Time), r.Reason, string(r.Status), seen(r))
}

func (p *page) resolution(r *finding.Record) {
	p.heading("RESOLVED", green, r.Message)
	p.note(p.clock(r.Time), r.Reason, "lasted "+span(r.Last.Sub(r.First)), "seen "+times(r.Count))
}
