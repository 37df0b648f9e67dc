// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"fmt"
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
		if len(other.Addresses) == 0 || !other.Stands(s.At) || s.Server.Addr() == other.Server.Addr() {
			continue
		}
		if s.At.Sub(other.Since) < denialLasts {
			continue
		}
		m := d.denial(n.Key)
		m.denies, m.has = *s, *other
		m.denials = max(m.denials, s.Times)
		m.take(s.At, 1)
		m.ask(x.Query.Owner, desk)
		m.judge(s.At, desk)
		return
	}
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
	case m.denies.Authoritative:
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

func (m *denial) mended(event.Time, trap.Desk) (string, bool) { return "", false }
