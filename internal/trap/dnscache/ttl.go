// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// longTTL is a day, in seconds: no change of the record is seen for as long.
	longTTL = 86400
	// ttlQuiet is how long the finding stays without being seen again: a cached name is
	// not asked for often.
	ttlQuiet = 10 * time.Minute
	// maxLong bounds how many names of one namespace are told of.
	maxLong = 32
)

// long is an answer that holds for a day or more.
type long struct {
	base
	name flow.NameKey
	said flow.Said
	// was are the addresses that the long answer had before they changed within its time.
	was     []netip.Addr
	wasTill event.Time
	changed bool
}

func longKey(k flow.NameKey) trap.Key {
	return trap.Key{Cause: TTLTooLong, Netns: k.Netns, Subject: k.Name}
}

func (d *Detector) checkTTL(n *flow.Name, s *flow.Said, x *flow.Exchange, desk trap.Desk) {
	key := longKey(n.Key)
	known, ok := d.matters.Get(key)
	if ok && s.TTL < longTTL {
		d.shortened(known.(*long), n, s, desk)
		return
	}
	if s.TTL < longTTL || !ok && d.longOnes(n.Key.Netns) >= maxLong {
		return
	}
	if !ok {
		known = &long{base: base{key: key}, name: n.Key}
		d.matters.Put(key, known)
	}
	m := known.(*long)
	m.compare(n, s)
	m.said = *s
	m.take(s.At, 1)
	m.ask(x.Query.Owner, desk)
	m.judge(s.At, desk)
}

func (d *Detector) longOnes(id event.Netns) int {
	count := 0
	for m := range d.matters.All {
		if m.common().key.Cause == TTLTooLong && m.common().key.Netns == id {
			count++
		}
	}
	return count
}

// shortened: the same resolver's TTL counts down below a day by itself; a new answer of
// a shorter one is another matter, and so is another address within the day.
func (d *Detector) shortened(m *long, n *flow.Name, s *flow.Said, desk trap.Desk) {
	if s.Expires.Sub(m.said.Expires).Abs() <= countdown && slices.Equal(s.Addresses, m.said.Addresses) {
		return
	}
	if m.name != n.Key {
		return
	}
	if !slices.Equal(s.Addresses, m.said.Addresses) {
		m.compare(n, s)
		m.take(s.At, 1)
		m.tell(desk) // before it is closed
	}
	desk.Mend(m.key, s.At, fmt.Sprintf("the answer holds for %d s now", s.TTL))
}

// countdown: TTLs are whole seconds.
const countdown = 2 * time.Second

// compare notes that a name changed while an answer that holds for a day was about.
func (m *long) compare(n *flow.Name, s *flow.Said) {
	if m.said.At == 0 || m.name != n.Key || n.Rotates(s.At) || slices.Equal(s.Addresses, m.said.Addresses) {
		return
	}
	m.changed, m.was, m.wasTill = true, m.said.Addresses, m.said.Expires
}

func (m *long) judge(now event.Time, desk trap.Desk) {
	if m.ready(now) {
		m.tell(desk)
	}
}

func (m *long) tell(desk trap.Desk) {
	v := verdict{status: finding.Confirmed, severity: finding.Low, rests: dnsKinds(), quiet: ttlQuiet}
	if m.changed {
		v.severity = finding.Medium
	}
	m.see(desk, v)
}

func (m *long) mended(event.Time, trap.Desk) (string, bool) { return "", false }
