// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"slices"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// Seen for two names, or more than twice: once may be somebody's typing.
	ndotsNames   = 2
	ndotsLookups = 3
	// plainNames is how many of the names must be asked as they are before the expansion
	// counts as mended, and plainAfter how long after the last expansion.
	plainNames = 2
	plainAfter = time.Second
	// oneSuffix is what a single suffix costs a lookup, A and AAAA.
	oneSuffix   = 2
	maxNames    = 16
	maxSuffixes = 8
)

// expansion is what one program's lookups cost.
type expansion struct {
	base
	names    []string // that were expanded, first ones first
	fewest   int      // dots in the name that has fewest
	suffixes []string
	lookups  uint64
	wasted   uint64 // questions for names that do not exist
	own      uint64 // questions for the names themselves
	lost     time.Duration
	plains   int
	plainAt  event.Time
	// exists is true where one of the names was not denied before it was expanded.
	exists bool
}

func expansionKey(id event.Netns, comm string) trap.Key {
	return trap.Key{Cause: NdotsExpansion, Netns: id, Subject: comm}
}

// expanding gives what a program's expansions were so far, nil where there was none.
func (d *Detector) expanding(id event.Netns, comm string) *expansion {
	m, ok := d.matters.Get(expansionKey(id, comm))
	if !ok {
		return nil
	}
	return m.(*expansion)
}

func (d *Detector) expansion(q *event.DNSQuery) *expansion {
	if g := d.expanding(q.Netns, q.Owner.Comm); g != nil {
		return g
	}
	key := expansionKey(q.Netns, q.Owner.Comm)
	g := &expansion{base: base{key: key}, fewest: 1 << 10}
	d.matters.Put(key, g)
	return g
}

func (g *expansion) add(l lookup) {
	g.lookups++
	g.own++
	g.wasted += uint64(l.wasted)
	g.lost += l.lost
	g.plains = 0
	g.exists = g.exists || !l.absent
	g.fewest = min(g.fewest, strings.Count(l.name, "."))
	if len(g.names) < maxNames && !slices.Contains(g.names, l.name) {
		g.names = append(g.names, l.name)
	}
	for _, suffix := range l.suffixes {
		if len(g.suffixes) < maxSuffixes && !slices.Contains(g.suffixes, suffix) {
			g.suffixes = append(g.suffixes, suffix)
		}
	}
	g.take(l.at, 1)
}

// follow counts a question for a name that a lookup had come to.
func (g *expansion) follow(another bool) {
	g.own++
	if another {
		g.lookups++
		g.take(g.last, 1)
	}
}

// plain counts a name that is asked as it is although it was expanded before.
func (g *expansion) plain(q *event.DNSQuery) {
	if slices.Contains(g.names, q.Name) && q.Time.Sub(g.last) >= plainAfter {
		g.plains++
		g.plainAt = q.Time
	}
}

func (g *expansion) judge(now event.Time, desk trap.Desk) {
	if len(g.names) < ndotsNames && g.lookups < ndotsLookups || !g.ready(now) || g.innocent() {
		return
	}
	v := verdict{status: finding.Confirmed, severity: finding.Medium, rests: dnsKinds()}
	if g.wasted <= oneSuffix*g.lookups {
		v.severity = finding.Low
	}
	g.see(desk, v)
}

// innocent tells whether it is no program's search list that is seen: a name that does
// not exist is asked for again and again, where ndots has it asked for before the list, or
// a resolver passes on what others ask of it.
func (g *expansion) innocent() bool {
	r := g.resolver
	if r == nil || r.PID != g.owner.PID {
		return false
	}
	return !g.exists && r.Ndots <= g.fewest || r.Serves
}

func (g *expansion) mended(_ event.Time, desk trap.Desk) (string, bool) {
	if g.plains < plainNames || !desk.Open(g.key) {
		return "", false
	}
	return "the names are asked as they are now, without the search list before them", true
}

// perSecond is how many questions a second are wasted.
func (g *expansion) perSecond() float64 {
	span := max(g.last.Sub(g.first), time.Second)
	return float64(g.wasted) / span.Seconds()
}

// perLookup is how many questions one lookup takes, and how many milliseconds of them
// are lost.
func (g *expansion) perLookup() (queries, lost float64) {
	n := float64(max(g.lookups, 1))
	return float64(g.wasted+g.own) / n, g.lost.Seconds() * 1000 / n
}

// enough is the smallest ndots that the names need to be asked as they are first: a name
// with as many dots as ndots says goes first (resolv.conf(5)).
func (g *expansion) enough() int { return max(g.fewest, 1) }
