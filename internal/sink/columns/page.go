// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package columns

import (
	"fmt"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Columns at which text starts.
const (
	headColumn   = 11
	rowColumn    = 11
	detailColumn = 15
	// hanging is how far the further lines of one text stand in, so that the next
	// text is told from them.
	hanging = 2
	// narrowest is the least room that text is wrapped to, however narrow the
	// terminal: below it a column of single words helps nobody.
	narrowest = 24
)

// page is a record being laid out.
type page struct {
	Options
	dst []byte
}

func (p *page) newline() { p.dst = append(p.dst, '\n') }

// label starts a row.
func (p *page) label(text string) {
	p.dst = append(p.dst, p.paint(dim, pad("  "+text, rowColumn))...)
}

// row shows each text that says something on a line of its own; the first has the
// label.
func (p *page) row(label string, texts ...string) {
	for _, text := range texts {
		if text == "" {
			continue
		}
		p.label(label)
		p.wrapped(rowColumn, plain, text)
		label = ""
	}
}

// note is the dim line below a heading.
func (p *page) note(parts ...string) {
	var said []string
	for _, part := range parts {
		if part != "" {
			said = append(said, part)
		}
	}
	p.dst = append(p.dst, strings.Repeat(" ", headColumn)...)
	p.wrapped(headColumn, dim, strings.Join(said, " · "))
}

// command is never wrapped: what wraps cannot be copied.
func (p *page) command(line string) {
	p.dst = append(p.dst, p.paint(cyan, finding.Printable(line))...)
	p.newline()
}

func (p *page) detail(text string) {
	if text == "" {
		return
	}
	p.dst = append(p.dst, strings.Repeat(" ", detailColumn)...)
	p.wrapped(detailColumn, dim, text)
}

// wrapped writes text from the column where the line stands, and ends the line.
func (p *page) wrapped(column int, s style, text string) {
	room := 0
	if p.Width > 0 {
		room = max(p.Width-column-hanging, narrowest)
	}
	for i, line := range wrap(finding.Printable(text), room) {
		if i > 0 {
			p.dst = append(p.dst, strings.Repeat(" ", column+hanging)...)
		}
		p.dst = append(p.dst, p.paint(s, line)...)
		p.newline()
	}
}

// clock gives the time of day.
func (p *page) clock(at time.Time) string { return p.format(at, time.TimeOnly) }

func (p *page) date(at time.Time) string { return p.format(at, time.DateTime) }

func (p *page) format(at time.Time, layout string) string {
	if p.Location == nil {
		return at.UTC().Format(layout) + "Z"
	}
	return at.In(p.Location).Format(layout)
}

// span gives a duration as people say it, in the two largest units.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", max(0, d.Milliseconds()))
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}
