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

// disagreeTimes is how often each resolver must have said its own in a row: once is a
// change on its way.
const disagreeTimes = 2

// cdnTTL: who answers by place or load keeps answers short. Two caches then hold another
// address of the pool each, until they fetch it anew.
const cdnTTL = 60

// disagreeFetches is how often each resolver must have given such a short answer anew
// where neither is known to be behind.
const disagreeFetches = 2

// disagree is two resolvers that give one name different addresses at the same time.
type disagree struct {
	base
	name flow.NameKey
	// one is the resolver that is behind where that is known, else the one that answered
	// last; other is the one that it is compared with.
	one, other flow.Said
	behind     bool
}

func disagreeKey(k flow.NameKey) trap.Key {
	return trap.Key{Cause: ResolversDisagree, Netns: k.Netns, Subject: k.Name + " " + k.Type}
}

// checkAgreement compares an answer with what the other resolvers said and still stand
// for. The sets must have nothing in common, on both sides several times.
func (d *Detector) checkAgreement(n *flow.Name, s *flow.Said, x *flow.Exchange, desk trap.Desk) {
	for _, other := range n.Said {
		if other == s || len(other.Addresses) == 0 || !other.Stands(s.At) {
			continue
		}
		if common(s.Addresses, other.Addresses) {
			d.agree(n, s, other, desk)
			continue
		}
		if !lasting(s, other) || n.Rotates(s.At) || s.Server.Addr() == other.Server.Addr() {
			continue
		}
		m := d.disagree(n.Key)
		m.compare(s, other)
		m.take(s.At, 1)
		m.ask(x.Query.Owner, desk)
		m.judge(s.At, desk)
		return
	}
}

// lasting tells whether both resolvers keep to what they say.
func lasting(s, other *flow.Said) bool {
	if s.Times < disagreeTimes || other.Times < disagreeTimes || other.At <= s.Since {
		return false
	}
	behind := common(s.Addresses, other.Before) || common(other.Addresses, s.Before)
	pool := min(s.TTL, other.TTL) <= cdnTTL && allPrivate(s.Addresses) == allPrivate(other.Addresses)
	return behind || !pool || s.Fetches >= disagreeFetches && other.Fetches >= disagreeFetches
}

func common(a, b []netip.Addr) bool {
	return slices.ContainsFunc(a, func(addr netip.Addr) bool { return slices.Contains(b, addr) })
}

func (d *Detector) disagree(k flow.NameKey) *disagree {
	key := disagreeKey(k)
	if m, ok := d.matters.Get(key); ok {
		return m.(*disagree)
	}
	m := &disagree{base: base{key: key}, name: k}
	d.matters.Put(key, m)
	return m
}

// compare decides who is behind: the one that still says what the other said before.
func (m *disagree) compare(s, other *flow.Said) {
	if common(s.Addresses, other.Before) {
		m.one, m.other, m.behind = *s, *other, true
		return
	}
	if common(other.Addresses, s.Before) {
		m.one, m.other, m.behind = *other, *s, true
		return
	}
	if m.one.Server == other.Server { // keeps the order of the first time
		s, other = other, s
	}
	m.one, m.other, m.behind = *s, *other, false
}

func (d *Detector) agree(n *flow.Name, s, other *flow.Said, desk trap.Desk) {
	m, ok := d.matters.Get(disagreeKey(n.Key))
	if !ok {
		return
	}
	pair := []netip.AddrPort{m.(*disagree).one.Server, m.(*disagree).other.Server}
	if slices.Contains(pair, s.Server) && slices.Contains(pair, other.Server) {
		desk.Mend(m.common().key, s.At, fmt.Sprintf("%s and %s give the same addresses now", s.Server.Addr(), other.Server.Addr()))
	}
}

func (m *disagree) judge(now event.Time, desk trap.Desk) {
	if !m.ready(now) {
		return
	}
	v := verdict{
		status: finding.Suspected, severity: finding.Medium,
		root: rootOf(m.name.Name), rank: rankDisagree, rests: dnsKinds(), quiet: m.quiet(),
	}
	if _, innocent := m.meant(); innocent && !m.behind {
		v.severity = finding.Low
	}
	m.see(desk, v)
}

// quiet: each side is asked again only when its answer has run out.
func (m *disagree) quiet() time.Duration {
	ttl := time.Duration(max(m.one.TTL, m.other.TTL)) * time.Second
	return min(ttl+30*time.Second, 10*time.Minute)
}

// meant tells why two resolvers may differ on purpose.
func (m *disagree) meant() (string, bool) {
	private, public := 0, 0
	for _, s := range []flow.Said{m.one, m.other} {
		if slices.ContainsFunc(s.Addresses, netip.Addr.IsUnspecified) {
			return "one side answers with no host's address: a filter of names, on purpose", true
		}
		if allPrivate(s.Addresses) {
			private++
		} else {
			public++
		}
	}
	switch {
	case private == 1 && public == 1:
		return "one side has private addresses and the other public ones: split horizon, most likely on purpose", true
	case m.one.Aliased && m.other.Aliased:
		return "the name is an alias on both sides: a CDN answers by where the question comes from", true
	case m.one.TTL <= cdnTTL && m.other.TTL <= cdnTTL && public == 2:
		return fmt.Sprintf("both answers hold for %d s or less: who answers by place or load keeps them so short", cdnTTL), true
	default:
		return "", false
	}
}

func allPrivate(addrs []netip.Addr) bool {
	return !slices.ContainsFunc(addrs, func(a netip.Addr) bool {
		return !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !sharedSpace().Contains(a)
	})
}

// sharedSpace is 100.64.0.0/10 (RFC 6598).
func sharedSpace() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10)
}

func (m *disagree) mended(event.Time, trap.Desk) (string, bool) { return "", false }
