// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"
	"slices"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Bounds of what is kept of names. A name costs about a kilobyte.
const (
	maxNames     = 8192
	maxHeld      = 32 // addresses of one name
	maxSaid      = 8  // resolvers of one name
	maxHolders   = 32768
	maxSharing   = 8 // names that share an address
	rotatingSets = 3
)

// NameKey is what was asked: by namespace, since resolvers differ between them.
type NameKey struct {
	Netns      event.Netns
	Name, Type string
}

// Name is what resolvers said of one name and type.
type Name struct {
	Key NameKey
	// Said is the newest answer of each resolver, Held every address that the name is
	// known to have had.
	Said []*Said
	Held []*Held
	// Turned is when the answers of one resolver were last seen to go round: what one
	// answer leaves out, a later one brings again. 0 for never.
	Turned event.Time
	// told is until when whom may use which address, the newest last; forgot is true
	// where somebody who was told is not among them.
	told   []told
	forgot bool
}

// steadyFor is how long a set of addresses must have held to be no part of a rotation,
// and turnedFor how long a name counts as one whose answers rotate.
const (
	steadyFor = 10 * time.Minute
	turnedFor = time.Hour
)

// Rotates tells whether the name's answers go round: a pool, or a CDN.
func (n *Name) Rotates(now event.Time) bool {
	return n.Turned != 0 && now.Sub(n.Turned) < turnedFor
}

// Said is one resolver's newest answer about a name.
type Said struct {
	Server  netip.AddrPort
	At      event.Time
	RCode   string
	TTL     uint32 // of a denial, its negative TTL
	Expires event.Time
	// Addresses are sorted. Before are those of the answer before that differed.
	Addresses, Before []netip.Addr
	Aliased           bool
	Authoritative     bool
	// Since is when it first said this, Times how often in a row, Sets how many
	// different sets of addresses it has given.
	Since event.Time
	Times int
	Sets  int
	// Fetches is how often it said this anew since then: what a cache repeats while the
	// time of its answer runs down is one and the same.
	Fetches int
	// fetched is the end of what was counted there last.
	fetched event.Time
	// told are the addresses in the order in which they came last.
	told []netip.Addr
	// Counts tells that a denial's TTL was seen to count down: it comes from a cache.
	Counts bool
	// Made tells that the resolver denied before what it has now.
	Made bool
}

// Denies tells whether the answer was that there is no such name, or none of the type.
func (s *Said) Denies() bool {
	return s.RCode == "NXDOMAIN" || s.RCode == "NOERROR" && len(s.Addresses) == 0
}

// standsLeast is how long an answer counts as the resolver's word at least: one of TTL 0
// is not kept, but was not taken back either.
const standsLeast = 10 * time.Second

// Stands tells whether an answer is still what its resolver says, as far as is known.
func (s *Said) Stands(now event.Time) bool {
	return now < max(s.Expires, s.At.Add(standsLeast))
}

// Held is an address that a name has, or had.
type Held struct {
	Addr netip.Addr
	// First and Last are when answers brought it, TTL what the last of them gave it, and
	// Server who gave that answer. Expires is the latest end of any answer's TTL.
	First, Last, Expires event.Time
	TTL                  uint32
	Server               netip.AddrPort
	// Gone is the first answer after Last that did not have it, and GoneServer whose it
	// was; 0 while there was none.
	Gone       event.Time
	GoneServer netip.AddrPort
}

// Withdrawn tells whether the resolver that gave a name an address denies the name by
// now, and keeps to that: one denial between two answers is a zone that was being loaded.
// What another resolver denies, as one that is not meant to know the name does, is
// nothing that was withdrawn.
func (n *Name) Withdrawn(h *Held, now event.Time) bool {
	s := n.Of(h.Server)
	if s == nil || !s.Denies() || s.Since <= h.Last {
		return false
	}
	return s.Times > 1 && s.At.Sub(s.Since) >= withdrawnFor || now.Sub(s.At) >= standsLeast
}

// withdrawnFor is how long a name must have been denied, twice at least, to count as
// withdrawn.
const withdrawnFor = time.Second

// Names is the history of names. Bounded.
type Names struct {
	names   *Table[NameKey, *Name]
	holders *Table[holder, []NameKey]
}

type holder struct {
	netns event.Netns
	addr  netip.Addr
}

// NewNames gives an empty history.
func NewNames() *Names {
	return &Names{
		names:   NewTable[NameKey, *Name](maxNames),
		holders: NewTable[holder, []NameKey](maxHolders),
	}
}

// Get gives what is known of a name, nil where nothing is.
func (t *Names) Get(key NameKey) *Name {
	known, _ := t.names.Get(key)
	return known
}

// Holders gives the names that have, or had, an address.
func (t *Names) Holders(id event.Netns, addr netip.Addr) []NameKey {
	known, _ := t.holders.Get(holder{id, addr})
	return known
}

// Take adds a resolver's answer: addresses, or a denial.
func (t *Names) Take(a *event.DNSAnswer) *Name {
	key := NameKey{a.Netns, a.Name, a.Type}
	n := t.Get(key)
	if n == nil {
		n = &Name{Key: key}
	}
	t.names.Put(key, n)
	s := n.say(a)
	if len(s.Addresses) == 0 {
		return n
	}
	n.hold(a, s)
	if s.Times%shareEvery == 1 {
		for _, addr := range s.Addresses {
			t.share(holder{a.Netns, addr}, key)
		}
	}
	return n
}

// shareEvery is after how many equal answers an address is noted again as the name's, so
// that it is not the oldest while it is in use.
const shareEvery = 64

func (t *Names) share(h holder, key NameKey) {
	names, _ := t.holders.Get(h)
	if !slices.Contains(names, key) {
		if len(names) >= maxSharing {
			names = slices.Delete(names, 0, 1)
		}
		names = append(names, key)
	}
	t.holders.Put(h, names)
}

// Of gives a resolver's newest answer, nil where there is none.
func (n *Name) Of(server netip.AddrPort) *Said {
	for _, s := range n.Said {
		if s.Server == server {
			return s
		}
	}
	return nil
}

func (n *Name) say(a *event.DNSAnswer) *Said {
	s := n.Of(a.Server)
	if s == nil {
		if len(n.Said) >= maxSaid {
			n.Said = slices.Delete(n.Said, 0, 1)
		}
		s = &Said{Server: a.Server}
		n.Said = append(n.Said, s)
	}
	s.take(a, n)
	return s
}

func (s *Said) take(a *event.DNSAnswer, n *Name) {
	addrs := s.sorted(a.Addresses)
	same := s.Times > 0 && s.RCode == a.RCode && slices.Equal(s.Addresses, addrs)
	ttl := a.TTL
	if len(addrs) == 0 {
		ttl = a.NegativeTTL
	}
	expires := a.Time.Add(time.Duration(ttl) * time.Second)
	s.Counts = same && (s.Counts || ttl < s.TTL && expires.Sub(s.Expires).Abs() <= countsWithin)
	if !same {
		s.Made = len(addrs) > 0 && (s.Made || s.Times > 0 && s.Denies())
		s.change(addrs, a.Time)
		if turns(s.Before, addrs) || s.Sets >= rotatingSets {
			n.Turned = a.Time
		}
	}
	if s.Fetches == 0 || expires.Sub(s.fetched) > countsWithin {
		s.Fetches++
		s.fetched = expires
	}
	s.At, s.RCode, s.TTL, s.Expires, s.Addresses = a.Time, a.RCode, ttl, expires, addrs
	s.Aliased, s.Authoritative = len(a.Aliases) > 0, a.Authoritative
	s.Times++
}

// sorted gives an answer's addresses, each once. What was told last is not sorted again.
func (s *Said) sorted(addrs []netip.Addr) []netip.Addr {
	if s.Times > 0 && slices.Equal(s.told, addrs) {
		return s.Addresses
	}
	s.told = slices.Clone(addrs)
	sorted := slices.Clone(addrs)
	slices.SortFunc(sorted, netip.Addr.Compare)
	return slices.Compact(sorted)
}

// change takes note that the answer is another one now.
func (s *Said) change(addrs []netip.Addr, at event.Time) {
	if at.Sub(s.Since) >= steadyFor {
		s.Sets = min(s.Sets, 1)
	}
	if len(s.Addresses) > 0 {
		s.Before = s.Addresses
	}
	if len(addrs) > 0 && !slices.Equal(s.Before, addrs) {
		s.Sets++
	}
	s.Since, s.Times, s.Fetches = at, 0, 0
}

// countsWithin: TTLs are whole seconds, so that ends that should be the same may be two
// apart.
const countsWithin = 2 * time.Second

// turns tells whether two answers of one resolver are windows on a larger set: they
// overlap, and each has something that the other has not.
func turns(a, b []netip.Addr) bool {
	common := 0
	for _, addr := range a {
		if slices.Contains(b, addr) {
			common++
		}
	}
	return common > 0 && common < len(a) && common < len(b)
}

// hold keeps which addresses the name has and when it lost them.
func (n *Name) hold(a *event.DNSAnswer, s *Said) {
	for _, h := range n.Held {
		if slices.Contains(s.Addresses, h.Addr) {
			if h.Gone != 0 && h.GoneServer == a.Server {
				n.Turned = a.Time
			}
			h.have(a, s)
		} else if h.Gone == 0 {
			h.Gone, h.GoneServer = a.Time, a.Server
		}
	}
	for _, addr := range s.Addresses {
		if n.Holds(addr) != nil {
			continue
		}
		if len(n.Held) >= maxHeld {
			n.Held = slices.Delete(n.Held, 0, 1)
		}
		h := &Held{Addr: addr, First: a.Time}
		h.have(a, s)
		n.Held = append(n.Held, h)
	}
}

func (h *Held) have(a *event.DNSAnswer, s *Said) {
	h.Last, h.TTL, h.Server = a.Time, s.TTL, a.Server
	h.Expires = max(h.Expires, s.Expires)
	h.Gone, h.GoneServer = 0, netip.AddrPort{}
}

// Holds gives what is known of one of the name's addresses, nil where it never had it.
func (n *Name) Holds(addr netip.Addr) *Held {
	for _, h := range n.Held {
		if h.Addr == addr {
			return h
		}
	}
	return nil
}
