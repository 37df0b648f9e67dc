// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func clusterSearch() []string {
	return []string{"shop.svc.cluster.local", "svc.cluster.local", "cluster.local"}
}

func clusterFile() *event.Resolver {
	return &event.Resolver{
		Path: "/proc/77/root/etc/resolv.conf", Ndots: 5, Timeout: 5, Attempts: 2, Search: clusterSearch(),
		Nameservers: []netip.Addr{netip.MustParseAddr(one)},
	}
}

// expand asks for a name as a stub with a search list does, both families at a time.
func (s *scene) expand(name string) {
	for _, suffix := range clusterSearch() {
		s.deny(one, name+"."+suffix, "A", 30)
		s.deny(one, name+"."+suffix, "AAAA", 30)
	}
	s.plainly(name)
}

func (s *scene) plainly(name string) {
	s.say(one, name, 300, oldA)
	q := s.query(one, name, "AAAA")
	s.Feed(q)
	s.Feed(s.answer(q, 0))
}

func TestSearchListIsOneLookupWithItsMultiplier(t *testing.T) {
	s := newScene()
	s.resolver = clusterFile()
	s.expand("api.example.org")
	s.silent(t)
	s.expand("db.example.org")
	f := s.must(t, NdotsExpansion, finding.Confirmed, finding.Medium)
	if f.DNS.QueriesPerLookup != 8 || f.DNS.Ndots != 5 || !slices.Equal(f.DNS.Search, clusterSearch()) {
		t.Errorf("told %+v", f.DNS)
	}
	if got, want := f.Fix[0].Shell(), `printf '\noptions ndots:2\n' >> /proc/77/root/etc/resolv.conf`; got != want {
		t.Errorf("first fix %q, want %q", got, want)
	}
	if got, want := f.Undo[0].Shell(), `printf '\noptions ndots:5\n' >> /proc/77/root/etc/resolv.conf`; got != want {
		t.Errorf("undo %q, want %q", got, want)
	}
	if !strings.Contains(f.Persistent[0].Shell(), `"name":"ndots","value":"2"`) {
		t.Errorf("not told how to keep it in a pod: %q", f.Persistent[0].Shell())
	}
}

func TestOneNameCountsAfterThreeLookups(t *testing.T) {
	s := newScene()
	for range 3 {
		s.settle()
		s.silent(t)
		s.expand("api.example.org")
	}
	s.settle()
	s.must(t, NdotsExpansion, finding.Confirmed, finding.Medium)
}

func TestQuestionSentAgainIsNotCountedTwice(t *testing.T) {
	s := newScene()
	for _, name := range []string{"api.example.org", "db.example.org"} {
		for _, suffix := range clusterSearch() {
			q := s.query(one, name+"."+suffix, "A")
			s.Feed(q, q)
			s.now = s.now.Add(500 * time.Millisecond)
			again := *q
			again.Time = s.now
			s.Feed(&again)
			a := s.answer(q, 0)
			a.RCode = "NXDOMAIN"
			s.Feed(a, a)
		}
		s.say(one, name, 300, oldA)
	}
	s.settle()
	if f := s.must(t, NdotsExpansion, finding.Confirmed, finding.Medium); f.DNS.QueriesPerLookup != 4 {
		t.Errorf("%v questions per lookup, want 4", f.DNS.QueriesPerLookup)
	}
}

func TestThreadsOfOneProcessAreLookupsOfTheirOwn(t *testing.T) {
	s := newScene()
	for _, name := range []string{"api.example.org", "db.example.org"} {
		for _, suffix := range clusterSearch() {
			s.deny(one, name+"."+suffix, "A", 30)
			s.deny(one, name+"."+suffix, "A", 30)
		}
		s.say(one, name, 300, oldA)
		s.say(one, name, 300, oldA)
	}
	s.settle()
	if f := s.must(t, NdotsExpansion, finding.Confirmed, finding.Medium); f.DNS.QueriesPerLookup > 5.5 {
		t.Errorf("%v questions per lookup, want about 4", f.DNS.QueriesPerLookup)
	}
}

func TestSearchIsInnocentWhere(t *testing.T) {
	for what, act := range map[string]func(*scene){
		"the first suffix hits": func(s *scene) {
			for _, name := range []string{"api", "db", "web"} {
				s.plainly(name + ".shop.svc.cluster.local")
			}
		},
		"the second suffix hits": func(s *scene) {
			for _, name := range []string{"api.pay", "db.pay", "web.pay"} {
				s.deny(one, name+".shop.svc.cluster.local", "A", 30)
				s.plainly(name + ".svc.cluster.local")
			}
		},
		"the name has no dot": func(s *scene) {
			for _, name := range []string{"printer", "scanner", "mail"} {
				s.expand(name)
			}
		},
		"the name is tried before the list": func(s *scene) {
			for _, name := range []string{"typo.example.org", "tpyo.example.org", "ytpo.example.org"} {
				s.deny(one, name, "A", 30)
				for _, suffix := range clusterSearch() {
					s.deny(one, name+"."+suffix, "A", 30)
				}
			}
		},
		"another process asked": func(s *scene) {
			for i, name := range []string{"a.example.org", "b.example.org", "c.example.org"} {
				s.pid = uint32(100 + i)
				for _, suffix := range clusterSearch() {
					s.deny(one, name+"."+suffix, "A", 30)
				}
				s.pid = 99
				s.plainly(name)
			}
		},
		"it was long ago": func(s *scene) {
			for _, name := range []string{"a.example.org", "b.example.org", "c.example.org"} {
				s.deny(one, name+".cluster.local", "A", 30)
				s.pass(lookupSpan + time.Second)
				s.plainly(name)
			}
		},
		"a label only looks like a suffix": func(s *scene) {
			for _, name := range []string{"a.example.org", "b.example.org", "c.example.org"} {
				s.deny(one, "x"+name+".cluster.local", "A", 30)
				s.plainly(name)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := newScene()
			s.resolver = clusterFile()
			act(s)
			s.settle()
			s.silent(t)
		})
	}
}

// A forwarder on loopback asks upstream what it was asked: it has no search list.
func TestForwarderIsNotTakenForAProgramWithASearchList(t *testing.T) {
	s := newScene()
	for _, name := range []string{"api.shop.test", "cdn.shop.test", "www.shop.test"} {
		for _, full := range []string{name + ".corp.test", name + ".lan.test", name} {
			s.pid = appPID
			asked := s.query("127.0.0.53", full, "A")
			s.Feed(asked)
			s.pid = appPID + 1
			passed := s.query(one, full, "A")
			passed.Owner.Comm = "forwarder"
			s.Feed(passed)
			for _, q := range []*event.DNSQuery{passed, asked} {
				a := s.answer(q, 60)
				if full != name {
					a.RCode = "NXDOMAIN"
				}
				s.Feed(a)
			}
		}
	}
	s.settle()
	for _, seen := range s.Sightings {
		if seen.Key.Subject != "app" {
			t.Errorf("told of %s", seen.Key.Subject)
		}
	}
	s.must(t, NdotsExpansion, finding.Confirmed, finding.Low)
}

func TestOneSuffixIsLow(t *testing.T) {
	s := newScene()
	for _, name := range []string{"a.example.org", "b.example.org"} {
		s.deny(one, name+".corp.example", "A", 30)
		s.plainly(name)
	}
	s.settle()
	s.must(t, NdotsExpansion, finding.Confirmed, finding.Low)
}

func TestComputedNdotsServesTheNameWithFewestDots(t *testing.T) {
	s := newScene()
	s.resolver = clusterFile()
	s.expand("a.b.example.org")
	s.expand("example.org")
	s.expand("c.example.org")
	f := s.must(t, NdotsExpansion, finding.Confirmed, finding.Medium)
	if !strings.Contains(f.Fix[0].Shell(), "ndots:1") {
		t.Errorf("first fix %q", f.Fix[0].Shell())
	}
}

func TestFileThatAnotherProgramWritesIsNotAppendedTo(t *testing.T) {
	for what, file := range map[string]*event.Resolver{
		"a link":            {Path: "/etc/resolv.conf", Link: "/run/systemd/resolve/stub-resolv.conf", Ndots: 5, Search: clusterSearch()},
		"somebody else's":   {Path: "/etc/resolv.conf", Elsewhere: true, Ndots: 5, Search: clusterSearch()},
		"not what asks for": {Path: "/etc/resolv.conf", Ndots: 1, Search: clusterSearch()},
	} {
		t.Run(what, func(t *testing.T) {
			s := newScene()
			s.resolver = file
			s.expand("api.example.org")
			s.expand("db.example.org")
			s.settle()
			f := s.must(t, NdotsExpansion, finding.Confirmed, finding.Medium)
			for _, step := range f.Fix {
				if _, writes := step.Op.(finding.ResolvOp); writes {
					t.Errorf("fix %q", step.Shell())
				}
			}
		})
	}
}

func TestNamesAskedAsTheyAreMendIt(t *testing.T) {
	s := newScene()
	s.resolver = clusterFile()
	s.expand("api.example.org")
	s.expand("db.example.org")
	s.pass(6 * time.Second)
	s.plainly("api.example.org")
	s.settle()
	if got := s.mended(); len(got) != 1 || !strings.Contains(got[0], "asked as they are") {
		t.Errorf("mended %q", got)
	}
}

func TestAskersMemoryIsBounded(t *testing.T) {
	s := newScene()
	d := New()
	for range 4 * maxMisses {
		q := s.query(one, strings.Repeat("z", 1+int(s.id)%250), "A")
		d.hearQuery(q, s.Desk)
		a := s.answer(q, 0)
		a.RCode = "NXDOMAIN"
		d.hearAnswer(a, s.Desk)
	}
	for a := range d.askers.All {
		if len(a.misses) > maxMisses {
			t.Errorf("%d misses are kept", len(a.misses))
		}
	}
}

// A name that does not exist is asked for as it is, then with the search list: the next
// try comes after those denials, and is no expansion.
func TestNameThatDoesNotExistIsNoExpansion(t *testing.T) {
	for what, pause := range map[string]time.Duration{"now and then": 2 * time.Second, "without a pause": 0} {
		s := newScene()
		s.resolver = clusterFile()
		s.resolver.Ndots = 1
		for range 12 {
			s.deny(one, "old.example.org", "A", 30)
			s.deny(one, "old.example.org", "AAAA", 30)
			for _, suffix := range clusterSearch() {
				s.deny(one, "old.example.org."+suffix, "A", 30)
				s.deny(one, "old.example.org."+suffix, "AAAA", 30)
			}
			s.pass(pause)
		}
		s.settle()
		if len(s.Sightings) > 0 {
			t.Errorf("%s: false alarm: %+v", what, s.Sightings)
		}
	}
}

func TestExpansionOfANameThatDoesNotExistIsToldToo(t *testing.T) {
	s := newScene()
	s.resolver = clusterFile()
	for range 4 {
		for _, suffix := range clusterSearch() {
			s.deny(one, "old.example.org."+suffix, "A", 30)
		}
		s.deny(one, "old.example.org", "A", 30)
		s.pass(time.Second)
	}
	s.must(t, NdotsExpansion, finding.Confirmed, finding.Medium)
}

// A resolver's own clients may be in another namespace, or on another host.
func TestResolverThatPassesSearchesOnIsNotMeant(t *testing.T) {
	s := newScene()
	s.resolver = &event.Resolver{Path: "/etc/resolv.conf", Ndots: 1, Serves: true}
	for range 3 {
		s.expand("api.example.org")
		s.expand("db.example.org")
	}
	s.settle()
	s.silent(t)
}
