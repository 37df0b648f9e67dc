// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"slices"
)

// Status is how a server's answer compares with what the zone's own servers say.
type Status string

// The statuses.
const (
	// Current agrees with the zone, or with all others where the zone is out of reach.
	Current Status = "current"
	// Behind still gives what the zone no longer has.
	Behind Status = "behind"
	// Denies says that there is nothing where the zone has something.
	Denies Status = "denies"
	// Differs contradicts, and not because it is late: an entry of its own, an inner and
	// an outer side of the zone, or nobody can tell.
	Differs Status = "differs"
	// Silent, Unreachable and Failing give no answer, or an error for one.
	Silent      Status = "silent"
	Unreachable Status = "unreachable"
	Failing     Status = "failing"
	// Lame was named as a server of the zone and does not speak for it.
	Lame Status = "lame"
)

// judgement of one answer.
type judgement struct {
	status Status
	// owner is the name, of a chain of aliases, that the answer contradicts; has is what
	// it says of that, and want what the zone says.
	owner     string
	has, want []string
	// left is for how many seconds the answer holds yet, nil where it does not say.
	left *uint32
	// why it differs on purpose, where that is likely.
	why string
}

// truth is what the zone's own servers say of each name.
type truth struct {
	said map[string][]saying
	// round are names whose servers do not say the same twice.
	round map[string]bool
}

// saying is one server's set of records for one name; none is a denial.
type saying struct {
	by   netip.AddrPort
	data []string
	addr []netip.Addr
}

// newTruth takes what the zone's servers said. Where none of them spoke for it, a server
// that was asked as a resolver and is none, but speaks for the zone, counts as one; else
// what those say that the zone is delegated to, if they say it without authority.
func newTruth(zone []*authority, layers []*reply) *truth {
	var given []*authority
	for _, r := range layers {
		if r.message != nil && !r.message.recursive {
			given = append(given, &authority{host: host{addr: r.server}, zone: ".", reply: r})
		}
	}
	if t := truthOf(zone, (*authority).speaks); len(t.said) > 0 {
		return t
	}
	if t := truthOf(given, (*authority).speaks); len(t.said) > 0 {
		return t.unlessContradictory()
	}
	return truthOf(zone, (*authority).has).unlessContradictory()
}

func truthOf(servers []*authority, counts func(*authority) bool) *truth {
	t := &truth{said: map[string][]saying{}, round: map[string]bool{}}
	for _, a := range servers {
		if counts(a) {
			t.take(a)
		}
	}
	return t
}

func (t *truth) unlessContradictory() *truth {
	if t.contradictory() {
		return &truth{}
	}
	return t
}

// contradictory tells whether two sayings of one name have nothing in common.
func (t *truth) contradictory() bool {
	for _, sayings := range t.said {
		for _, s := range sayings[1:] {
			if !overlap(s.data, sayings[0].data) && len(s.data)+len(sayings[0].data) > 0 {
				return true
			}
		}
	}
	return false
}

func (t *truth) take(a *authority) {
	m, q := a.reply.message, a.reply.asked
	for _, owner := range m.chain(q) {
		if within(owner, a.zone) {
			t.add(owner, sayingOf(a.addr, m.set(owner, q.kind)))
		}
	}
}

func sayingOf(by netip.AddrPort, set []record) saying {
	s := saying{by: by}
	for _, r := range set {
		s.data = append(s.data, r.data)
		if r.addr.IsValid() {
			s.addr = append(s.addr, r.addr)
		}
	}
	slices.Sort(s.data)
	return s
}

func (t *truth) add(owner string, s saying) {
	for _, before := range t.said[owner] {
		if before.by == s.by && !slices.Equal(before.data, s.data) {
			t.round[owner] = true
		}
	}
	t.said[owner] = append(t.said[owner], s)
}

// all gives everything that any server of the zone has for a name.
func (t *truth) all(owner string) []string {
	var data []string
	for _, s := range t.said[owner] {
		data = append(data, s.data...)
	}
	slices.Sort(data)
	return slices.Compact(data)
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// judge compares an answer with the truth, name by name along its chain of aliases. A
// set that has something in common with any of the zone's servers is current: answers go
// round, and pools grow and shrink.
func (t *truth) judge(r *reply) judgement {
	m, q := r.message, r.asked
	if !r.answered() {
		return judgement{status: Failing}
	}
	for _, owner := range m.chain(q) {
		set := m.set(owner, q.kind)
		has, want := sayingOf(r.server, set), t.all(owner)
		switch {
		case len(t.said[owner]) == 0, overlap(has.data, want), len(set) == 0 && t.denied(owner):
			continue
		case len(set) == 0:
			return t.differs(judgement{status: Denies, owner: owner, want: want, left: m.denial}, m, has)
		default:
			left := least(set)
			return t.differs(judgement{status: Behind, owner: owner, has: has.data, want: want, left: &left}, m, has)
		}
	}
	return judgement{status: Current}
}

// denied tells whether one of the zone's servers denies the name, too.
func (t *truth) denied(owner string) bool {
	return slices.ContainsFunc(t.said[owner], func(s saying) bool { return len(s.data) == 0 })
}

// differs tells contradictions that no cache explains from those that one does.
func (t *truth) differs(j judgement, m *message, has saying) judgement {
	switch {
	case t.round[j.owner]:
		j.why = "the zone's own answers go round"
	case m.authoritative:
		j.why = "it answers as if it were the zone's own server (AA): an entry of its own, or an inner side of the zone"
	case t.split(j.owner, has):
		j.why = "private addresses on one side and public ones on the other: an inner and an outer side of the zone, if that is meant"
	case len(has.data) == 0 && t.inside(j.owner) && !inner(has.by.Addr()):
		j.why = "an inner name, which a public resolver is not meant to know"
	case j.left != nil && *j.left == 0:
		j.why = "its answer holds for 0 s, so it is made anew each time: an entry of its own, or one that it may not keep"
	default:
		return j
	}
	j.status = Differs
	return j
}

// split tells whether one side has private addresses alone and the other public ones.
func (t *truth) split(owner string, has saying) bool {
	zone := t.addresses(owner)
	if len(zone) == 0 || len(has.addr) == 0 {
		return false
	}
	return private(has.addr) && public(zone) || public(has.addr) && private(zone)
}

// inside tells whether the zone has private addresses alone for a name.
func (t *truth) inside(owner string) bool {
	zone := t.addresses(owner)
	return len(zone) > 0 && private(zone)
}

func (t *truth) addresses(owner string) []netip.Addr {
	var all []netip.Addr
	for _, s := range t.said[owner] {
		all = append(all, s.addr...)
	}
	return all
}

func private(all []netip.Addr) bool {
	return !slices.ContainsFunc(all, func(a netip.Addr) bool { return !inner(a) })
}

func public(all []netip.Addr) bool { return !slices.ContainsFunc(all, inner) }

// inner: an address that the Internet does not route.
func inner(a netip.Addr) bool { return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() }

func least(set []record) uint32 {
	ttl := set[0].ttl
	for _, r := range set {
		ttl = min(ttl, r.ttl)
	}
	return ttl
}
