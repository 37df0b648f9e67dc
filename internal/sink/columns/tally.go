// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package columns

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Tally counts findings for the summary at the end of a watch. One goroutine uses
// it at a time. It holds what is open, and one number for each cause.
type Tally struct {
	causes map[cause]*count
	open   map[string]*finding.Record
}

type cause struct {
	trap finding.Trap
	name finding.Cause
}

type count struct{ opened, resolved int }

// Loss is something that was lost while watching, for the summary to tell.
type Loss struct {
	// What names it in the plural: "drop events".
	What  string
	Count uint64
}

// NewTally gives an empty one.
func NewTally() *Tally {
	return &Tally{causes: map[cause]*count{}, open: map[string]*finding.Record{}}
}

// Add takes one record in. It keeps the last one of an open finding, which must not
// change afterwards.
func (t *Tally) Add(r *finding.Record) {
	key := cause{r.Trap, r.Cause}
	n := t.causes[key]
	if n == nil {
		n = new(count)
		t.causes[key] = n
	}
	_, known := t.open[r.Finding.ID]
	if !known && r.Action != finding.Closed {
		n.opened++
	}
	if r.Action == finding.Closed {
		if !known {
			n.opened++
		}
		n.resolved++
		delete(t.open, r.Finding.ID)
		return
	}
	t.open[r.Finding.ID] = r
}

func (t *Tally) total() (opened, resolved int) {
	for _, n := range t.causes {
		opened += n.opened
		resolved += n.resolved
	}
	return opened, resolved
}

// AppendSummary appends what a watch of that length found: counts for each trap and
// cause, what is still open, what was lost. Losses with a count of 0 are left out.
func (e Encoder) AppendSummary(dst []byte, t *Tally, watched time.Duration, losses []Loss) []byte {
	p := page{dst: dst, Options: e.Options}
	opened, resolved := t.total()
	p.heading("SUMMARY", plain, fmt.Sprintf("%s in %s: %d open, %d resolved",
		findings(opened), span(watched), opened-resolved, resolved))
	p.causes(t)
	p.stillOpen(t)
	p.losses(losses)
	return p.dst
}

func findings(n int) string {
	switch n {
	case 0:
		return "nothing found"
	case 1:
		return "1 finding"
	default:
		return fmt.Sprintf("%d findings", n)
	}
}

func (p *page) causes(t *Tally) {
	var keys []cause
	for key := range t.causes {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b cause) int {
		return cmp.Or(strings.Compare(string(a.trap), string(b.trap)), strings.Compare(string(a.name), string(b.name)))
	})
	for _, key := range keys {
		n := t.causes[key]
		p.row("", fmt.Sprintf("%-21s %-32s %3d found, %d open", key.trap, key.name, n.opened, n.opened-n.resolved))
	}
}

func (p *page) stillOpen(t *Tally) {
	var open []*finding.Record
	for _, r := range t.open {
		open = append(open, r)
	}
	slices.SortFunc(open, func(a, b *finding.Record) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), strings.Compare(a.Finding.ID, b.Finding.ID))
	})
	label := "open"
	for _, r := range open {
		p.label(label)
		word, color := headline(r.Severity)
		p.dst = append(p.dst, p.paint(color, pad(word, headColumn))...)
		p.wrapped(rowColumn+headColumn, plain, r.Message)
		label = ""
	}
}

func (p *page) losses(losses []Loss) {
	label := "lost"
	for _, loss := range losses {
		if loss.Count > 0 {
			p.row(label, fmt.Sprintf("%d %s", loss.Count, loss.What))
			label = ""
		}
	}
}
