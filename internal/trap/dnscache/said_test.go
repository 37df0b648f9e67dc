// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func TestResolversThatKeepToTheirOwnDisagree(t *testing.T) {
	s := newScene()
	for range 2 {
		s.say(one, name, 300, oldA)
		s.say(two, name, 300, newA)
	}
	s.settle()
	f := s.must(t, ResolversDisagree, finding.Suspected, finding.Medium)
	if f.DNS.Resolver == f.DNS.OtherResolver || len(f.DNS.OtherIP) != 1 {
		t.Errorf("told %+v", f.DNS)
	}
	s.say(one, name, 300, newA)
	if got := s.mended(); len(got) != 1 {
		t.Errorf("mended %q", got)
	}
}

func TestResolverThatIsBehindIsNamed(t *testing.T) {
	s := newScene()
	s.say(one, name, 300, oldA)
	s.say(two, name, 300, oldA)
	for range 2 {
		s.say(two, name, 300, newA)
		s.say(one, name, 300, oldA)
	}
	s.settle()
	f := s.must(t, ResolversDisagree, finding.Suspected, finding.Medium)
	if f.DNS.Resolver != one || !slices.ContainsFunc(f.Evidence, func(e string) bool { return strings.Contains(e, one+" is behind") }) {
		t.Errorf("told %+v, %q", f.DNS, f.Evidence)
	}
}

func TestResolversAreInnocentWhere(t *testing.T) {
	for what, act := range map[string]func(*scene){
		"one has only just changed": func(s *scene) {
			s.say(one, name, 300, oldA)
			s.say(one, name, 300, oldA)
			s.say(two, name, 300, newA)
		},
		"they overlap": func(s *scene) {
			for range 3 {
				s.say(one, name, 300, oldA, "203.0.113.3")
				s.say(two, name, 300, newA, "203.0.113.3")
			}
		},
		"the answers go round": func(s *scene) {
			for _, addr := range []string{oldA, newA, "203.0.113.3", oldA, oldA} {
				s.say(one, name, 300, addr)
				s.say(two, name, 300, "203.0.113.9")
			}
		},
		"one's answer has run out": func(s *scene) {
			s.say(one, name, 2, oldA)
			s.say(one, name, 2, oldA)
			s.pass(5 * time.Second)
			s.say(two, name, 300, newA)
			s.say(two, name, 300, newA)
		},
		"they are asked for different types": func(s *scene) {
			for range 3 {
				s.say(one, name, 300, oldA)
				q := s.query(two, name, "AAAA")
				s.Feed(q)
				s.Feed(s.answer(q, 300, "2001:db8::1"))
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := newScene()
			act(s)
			s.settle()
			s.silent(t)
		})
	}
}

func TestSplitHorizonAndCDNsAreLow(t *testing.T) {
	for what, addrs := range map[string]struct {
		one, two string
		ttl      uint32
	}{"split horizon": {"10.1.2.3", newA, 300}, "CDN": {oldA, newA, 20}} {
		t.Run(what, func(t *testing.T) {
			s := newScene()
			for range 2 {
				s.say(one, name, addrs.ttl, addrs.one)
				s.say(two, name, addrs.ttl, addrs.two)
				s.pass(3 * time.Second)
			}
			s.settle()
			s.must(t, ResolversDisagree, finding.Suspected, finding.Low)
		})
	}
}

// Two caches keep another address of a pool each, as long as it holds.
func TestWhatCachesRepeatIsNoDisagreement(t *testing.T) {
	s := newScene()
	for left := uint32(30); left > 20; left -= 2 {
		s.say(one, name, left, oldA)
		s.say(two, name, left, newA)
		s.pass(2 * time.Second)
	}
	s.silent(t)
	for range 2 {
		s.say(one, name, 30, oldA)
		s.say(two, name, 30, newA)
	}
	s.settle()
	s.must(t, ResolversDisagree, finding.Suspected, finding.Low)
}

// dnsmasq gives what it has in a file of its own a TTL of 0.
func TestAnswersThatAreNotKeptDisagreeToo(t *testing.T) {
	s := newScene()
	for range 4 {
		s.say(one, name, 0, "10.1.1.1")
		s.say(two, name, 0, "10.1.1.2")
		s.pass(time.Second)
	}
	s.must(t, ResolversDisagree, finding.Suspected, finding.Medium)
}

func TestDenialThatLagsAMomentIsInnocent(t *testing.T) {
	s := newScene()
	for range 5 {
		s.deny(one, name, "A", 1)
	}
	s.say(two, name, 300, newA)
	for range 3 {
		s.deny(one, name, "A", 1)
	}
	s.say(one, name, 300, newA)
	s.settle()
	s.silent(t)
}

func TestDenialThatOutlivesTheRecord(t *testing.T) {
	s := newScene()
	s.deny(one, name, "A", 60)
	s.say(two, name, 300, newA)
	s.pass(3 * time.Second)
	s.deny(one, name, "A", 57)
	s.settle()
	f := s.must(t, NegativeCached, finding.Confirmed, finding.High)
	if f.DNS.ResponseCode != "NXDOMAIN" || f.DNS.Resolver != one || f.DNS.OtherResolver != two {
		t.Errorf("told %+v", f.DNS)
	}
	if !slices.ContainsFunc(f.ConfidenceWhy, func(w string) bool { return strings.Contains(w, "counts down") }) {
		t.Errorf("confidence %q", f.ConfidenceWhy)
	}
	s.say(one, name, 300, newA)
	if got := s.mended(); !slices.Equal(got, []string{one + " has the record now"}) {
		t.Errorf("mended %q", got)
	}
}

func TestPublicResolverNeedNotKnowAnInternalName(t *testing.T) {
	s := newScene()
	s.say(one, name, 300, "10.9.9.9")
	s.deny("9.9.9.9", name, "A", 60)
	s.pass(denialLasts)
	s.deny("9.9.9.9", name, "A", 60)
	s.settle()
	s.must(t, NegativeCached, finding.Suspected, finding.Low)
}

func TestMissingAAAABesideAnAIsInnocent(t *testing.T) {
	s := newScene()
	for range 5 {
		s.say(one, name, 300, oldA)
		s.deny(one, name, "AAAA", 60)
		s.say(two, name, 300, oldA)
		s.deny(two, name, "AAAA", 60)
	}
	s.settle()
	s.silent(t)
}

func TestDayLongAnswerIsLowUntilTheRecordChanges(t *testing.T) {
	s := newScene()
	s.say(one, name, 86399, oldA)
	s.settle()
	s.silent(t)
	s.say(one, name, 86400, oldA)
	s.settle()
	s.must(t, TTLTooLong, finding.Confirmed, finding.Low)
	s.pass(5 * time.Second)
	s.say(one, name, 86395, oldA) // counts down in a cache
	if got := s.mended(); len(got) != 0 {
		t.Errorf("mended %q", got)
	}
	s.say(one, name, 300, newA)
	s.settle()
	s.must(t, TTLTooLong, finding.Confirmed, finding.Medium)
	if got := s.mended(); len(got) != 1 {
		t.Errorf("mended %q", got)
	}
}

func TestDayLongNamesOfANamespaceAreBounded(t *testing.T) {
	s := newScene()
	for i := range 3 * maxLong {
		s.say(one, strings.Repeat("x", 1+i)+".example.org", 172800, oldA)
	}
	s.settle()
	if n := len(s.Sightings); n != maxLong {
		t.Errorf("%d told", n)
	}
}

// A resolver that is not meant to know a name, as that of a home beside a VPN's, denies it
// for ever: one that keeps an old denial does so until it has run out.
func TestDenialOfAnotherHorizonIsOnlySuspected(t *testing.T) {
	s := newScene()
	s.say(two, name, 300, "10.9.9.9")
	for range 3 {
		s.deny(one, name, "A", 60)
		s.pass(time.Second)
	}
	s.settle()
	f := s.must(t, NegativeCached, finding.Suspected, finding.Medium)
	if !slices.ContainsFunc(f.Against, func(a string) bool { return strings.Contains(a, "split horizon") }) {
		t.Errorf("against %q", f.Against)
	}
}

func TestDenialOfANameThatWasSeenToBeMadeIsConfirmed(t *testing.T) {
	s := newScene()
	s.deny(two, name, "A", 1)
	s.say(two, name, 300, newA)
	s.pass(2 * time.Second)
	for range 2 { // dnsmasq gives no SOA with what it keeps
		s.deny(one, name, "A", 0)
	}
	s.settle()
	s.must(t, NegativeCached, finding.Confirmed, finding.High)
}

func TestDenialThatIsFetchedAnewIsNoCaches(t *testing.T) {
	s := newScene()
	s.say(two, name, 300, newA)
	for left := uint32(6); left > 2; left-- {
		s.deny(one, name, "A", left)
		s.pass(time.Second)
	}
	s.must(t, NegativeCached, finding.Confirmed, finding.High)
	s.pass(3 * time.Second)
	s.deny(one, name, "A", 6)
	s.settle()
	s.must(t, NegativeCached, finding.Suspected, finding.Medium)
}

func TestAddressesThatAreMadeForIPv6AreNotDeniedByOthers(t *testing.T) {
	for what, made := range map[string]string{"the known prefix": "64:ff9b::c612:34", "the network's own": "2001:db8:64::c000:201"} {
		s := newScene()
		s.say(one, name, 300, oldA) // 192.0.2.1
		q := s.query(two, name, "AAAA")
		s.Feed(q)
		s.Feed(s.answer(q, 300, made))
		for range 3 {
			s.pass(time.Second)
			q := s.query(one, name, "AAAA")
			s.Feed(q)
			s.Feed(s.answer(q, 0))
		}
		s.settle()
		if len(s.Sightings) > 0 {
			t.Errorf("%s: false alarm %+v", what, s.Sightings)
		}
	}
}

func TestFilterOfNamesIsMeant(t *testing.T) {
	s := newScene()
	for range 3 {
		s.say(one, name, 300, "0.0.0.0")
		s.say(two, name, 300, newA)
	}
	s.settle()
	s.must(t, ResolversDisagree, finding.Suspected, finding.Low)
}
