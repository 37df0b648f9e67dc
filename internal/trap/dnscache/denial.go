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

// A denial that lags a moment behind the record's coming is nothing: a resolver "keeps"
// denying the name once it did so twice, denialLasts after another one had it.
const (
	denialTimes = 2
	denialLasts = time.Second
)

// denial is a resolver that denies a name which another resolver has.
type denial struct {
	base
	name    flow.NameKey
	denies  flow.Said
	has     flow.Said
	denials int
	// until is when the denial of the first time ran out, anew true where the resolver has
	// asked since and was told the same.
	until event.Time
	anew  bool
}

func denialKey(k flow.NameKey) trap.Key {
	return trap.Key{Cause: NegativeCached, Netns: k.Netns, Subject: k.Name + " " + k.Type}
}

// checkDenial compares a denial with what the other resolvers have.
func (d *Detector) checkDenial(n *flow.Name, s *flow.Said, x *flow.Exchange, desk trap.Desk) {
	if s.Times < denialTimes {
		return
	}
	for _, other := range n.Said {
		if len(other.Addresses) == 0 || !other.Stands(s.At) || s.Server.Addr() == other.Server.Addr() || d.synthesised(n, other) {
			continue
		}
		if s.At.Sub(other.Since) < denialLasts {
			continue
		}
		m := d.denial(n.Key)
		m.denies, m.has = *s, *other
		m.watch(s)
		m.denials = max(m.denials, s.Times)
		m.take(s.At, 1)
		m.ask(x.Query.Owner, desk)
		m.judge(s.At, desk)
		return
	}
}

// anewAfter: TTLs are whole seconds.
const anewAfter = 3 * time.Second

// watch notes whether the denial was fetched anew: a cache's ends with its TTL.
func (m *denial) watch(s *flow.Said) {
	if m.until == 0 {
		m.until = s.Expires
	}
	m.anew = m.anew || s.TTL > 0 && s.Expires.Sub(m.until) > anewAfter
}

// synthesised tells whether a resolver's IPv6 addresses are made of the name's IPv4 ones
// (DNS64, RFC 6147): one that does not make any denies nothing that exists.
func (d *Detector) synthesised(n *flow.Name, has *flow.Said) bool {
	if n.Key.Type != "AAAA" {
		return false
	}
	known := netip.MustParsePrefix("64:ff9b::/96") // RFC 6052, 2.1
	four := d.names.Get(flow.NameKey{Netns: n.Key.Netns, Name: n.Key.Name, Type: "A"})
	return !slices.ContainsFunc(has.Addresses, func(a netip.Addr) bool {
		bytes := a.As16()
		inside := netip.AddrFrom4([4]byte(bytes[12:]))
		return !known.Contains(a) && (four == nil || four.Holds(inside) == nil)
	})
}

func (d *Detector) denial(k flow.NameKey) *denial {
	key := denialKey(k)
	if m, ok := d.matters.Get(key); ok {
		return m.(*denial)
	}
	m := &denial{base: base{key: key}, name: k}
	d.matters.Put(key, m)
	return m
}

// answered: the resolver has the record now.
func (m *denial) answered(s *flow.Said, desk trap.Desk) {
	if s.Server == m.denies.Server {
		desk.Mend(m.key, s.At, fmt.Sprintf("%s has the record now", s.Server.Addr()))
	}
}

func (m *denial) judge(now event.Time, desk trap.Desk) {
	if !m.ready(now) {
		return
	}
	v := verdict{status: finding.Confirmed, severity: finding.High, rests: dnsKinds()}
	switch {
	case m.internal():
		v.status, v.severity = finding.Suspected, finding.Low
	case m.denies.Authoritative || m.anew || !m.cached():
		v.status, v.severity = finding.Suspected, finding.Medium
	}
	m.see(desk, v)
}

// internal: the addresses are private and the resolver that has none of them is not: it
// is not meant to know the name.
func (m *denial) internal() bool {
	server := m.denies.Server.Addr()
	return allPrivate(m.has.Addresses) && !server.IsPrivate() && !server.IsLoopback()
}

// cached tells whether it is known that the denial is one of the past: it counts down, or
// the name was seen to be made.
func (m *denial) cached() bool { return m.denies.Counts || m.has.Made }

func (m *denial) mended(event.Time, trap.Desk) (string, bool) { return "", false }
