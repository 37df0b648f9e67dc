// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/trap/traptest"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	ns     event.Netns = 4026532000
	one                = "10.0.0.53"
	two                = "10.0.1.53"
	name               = "www.example.org"
	oldA               = "192.0.2.1"
	newA               = "198.51.100.7"
	appPID             = 77
)

// scene is a namespace whose clock the test moves.
type scene struct {
	*traptest.Desk
	now event.Time
	id  uint16
	pid uint32
	// resolver is told of each process that is asked about.
	resolver *event.Resolver
	dials    map[string]uint64
}

func newScene() *scene {
	s := &scene{Desk: traptest.New(New()), now: event.Time(time.Hour), pid: appPID, dials: map[string]uint64{}}
	s.Feed(&event.Namespace{Header: s.head(), Name: "pod", Path: "/run/netns/pod"})
	return s
}

func (s *scene) head() event.Header { return event.Header{Time: s.now, Netns: ns} }

// pass lets time go by, with the clock's beat.
func (s *scene) pass(d time.Duration) {
	for end := s.now.Add(d); s.now < end; {
		s.now = min(s.now.Add(250*time.Millisecond), end)
		s.Feed(&event.Tick{Header: event.Header{Time: s.now}})
	}
}

func (s *scene) query(server, name, kind string) *event.DNSQuery {
	s.id++
	s.now = s.now.Add(time.Millisecond)
	return &event.DNSQuery{
		Header: s.head(), Client: netip.MustParseAddrPort("10.0.0.9:40000"), Server: netip.AddrPortFrom(netip.MustParseAddr(server), 53),
		Protocol: event.ProtocolUDP, ID: s.id, Name: name, Type: kind, Recursive: true,
		Owner: event.Owner{PID: s.pid, Comm: "app"},
	}
}

func (s *scene) answer(q *event.DNSQuery, ttl uint32, addrs ...string) *event.DNSAnswer {
	s.now = s.now.Add(time.Millisecond)
	a := &event.DNSAnswer{
		Header: s.head(), Client: q.Client, Server: q.Server, Protocol: q.Protocol, ID: q.ID, Name: q.Name, Type: q.Type,
		RCode: "NOERROR", TTL: ttl, Records: uint16(len(addrs)),
	}
	for _, addr := range addrs {
		a.Addresses = append(a.Addresses, netip.MustParseAddr(addr))
	}
	return a
}

// say lets a resolver answer a question of the scene's process.
func (s *scene) say(server, name string, ttl uint32, addrs ...string) {
	q := s.query(server, name, "A")
	s.Feed(q)
	s.Feed(s.answer(q, ttl, addrs...))
	s.facts()
}

// deny lets a resolver deny a name for so many seconds.
func (s *scene) deny(server, name, kind string, ttl uint32) {
	q := s.query(server, name, kind)
	s.Feed(q)
	a := s.answer(q, 0)
	a.RCode, a.NegativeTTL = "NXDOMAIN", ttl
	s.Feed(a)
	s.facts()
}

// facts answers what was asked about the process, where the scene knows.
func (s *scene) facts() {
	if s.resolver == nil {
		return
	}
	kept := *s.resolver
	kept.Header, kept.PID = s.head(), s.pid
	s.Feed(&kept)
}

func (s *scene) dial(to string) {
	s.now = s.now.Add(time.Millisecond)
	s.dials[to]++
	s.Feed(&event.Dial{
		Header: s.head(), Destination: netip.AddrPortFrom(netip.MustParseAddr(to), 443), Protocol: event.ProtocolTCP,
		Owner: event.Owner{PID: s.pid, Comm: "app"}, Count: s.dials[to],
	})
}

// settle lets the time pass that a verdict may wait for facts.
func (s *scene) settle() { s.pass(factsWait + 250*time.Millisecond) }

func (s *scene) must(t *testing.T, cause finding.Cause, status finding.Status, severity finding.Severity) *finding.Finding {
	t.Helper()
	seen, ok := s.Last(cause)
	if !ok || seen.Status != status || seen.Severity != severity {
		t.Fatalf("saw %+v, want %s %s of severity %d", s.Sightings, status, cause, severity)
	}
	f := s.Describe(seen.Key)
	return &f
}

// mended gives the reasons for which findings were closed.
func (s *scene) mended() []string { return slices.Collect(maps.Values(s.Mended)) }

func (s *scene) silent(t *testing.T) {
	t.Helper()
	if len(s.Sightings) > 0 {
		t.Errorf("false alarm: %+v", s.Sightings)
	}
}

func TestOldAddressDialledAfterItsTTLIsStale(t *testing.T) {
	s := newScene()
	s.say(one, name, 10, oldA)
	s.pass(12 * time.Second)
	s.say(one, name, 10, newA)
	if !slices.ContainsFunc(s.Wants, func(w event.Want) bool { return w.Of == event.KindDial && w.To.String() == oldA }) {
		t.Errorf("the dials to the old address were not asked for: %v", s.Wants)
	}
	s.dial(oldA)
	s.settle()
	f := s.must(t, StaleAnswer, finding.Confirmed, finding.High)
	if f.DNS.StaleIP != oldA || !slices.Equal(f.DNS.CurrentIP, []string{newA}) || f.DNS.Question != name || f.Process.PID != appPID {
		t.Errorf("told %+v, %+v", f.DNS, f.Process)
	}
}

func TestOldAddressIsInnocentWhile(t *testing.T) {
	for what, act := range map[string]func(*scene){
		"its TTL runs": func(s *scene) {
			s.say(one, name, 30, oldA)
			s.pass(5 * time.Second)
			s.say(two, name, 30, newA)
		},
		"no newer answer lacks it": func(s *scene) {
			s.say(one, name, 2, oldA)
			s.pass(20 * time.Second)
		},
		"it was resolved a moment before it expired": func(s *scene) {
			s.say(one, name, 1, oldA)
			s.pass(1200 * time.Millisecond)
			s.say(one, name, 30, newA)
		},
		"another name has it": func(s *scene) {
			s.say(one, name, 2, oldA)
			s.say(one, "other.example.org", 300, oldA)
			s.pass(5 * time.Second)
			s.say(one, name, 2, newA)
		},
		"another resolver gives it again": func(s *scene) {
			s.say(one, name, 2, oldA)
			s.pass(5 * time.Second)
			s.say(one, name, 2, newA)
			s.say(two, name, 60, oldA)
		},
		"the answers go round": func(s *scene) {
			for _, addr := range []string{oldA, newA, "203.0.113.3"} {
				s.say(one, name, 1, addr)
				s.pass(3 * time.Second)
			}
		},
		"an address comes back": func(s *scene) {
			for _, addr := range []string{"203.0.113.3", oldA, "203.0.113.3"} {
				s.say(one, name, 1, addr)
				s.pass(3 * time.Second)
			}
		},
		"the answers are windows on a pool": func(s *scene) {
			s.say(one, name, 1, oldA, newA)
			s.pass(3 * time.Second)
			s.say(one, name, 1, newA, "203.0.113.3")
			s.pass(3 * time.Second)
		},
		"the name does not exist any more": func(s *scene) {
			s.say(one, name, 1, oldA)
			s.pass(3 * time.Second)
			s.deny(one, name, "A", 60)
		},
		"only its AAAA does not exist": func(s *scene) {
			s.say(one, name, 1, oldA)
			s.pass(3 * time.Second)
			s.deny(one, name, "AAAA", 60)
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := newScene()
			act(s)
			s.dial(oldA)
			s.settle()
			s.silent(t)
		})
	}
}

func TestShrunkPoolIsOnlySuspected(t *testing.T) {
	s := newScene()
	s.say(one, name, 2, oldA, newA)
	s.pass(4 * time.Second)
	s.say(one, name, 2, newA)
	s.dial(oldA)
	s.settle()
	s.must(t, StaleAnswer, finding.Suspected, finding.Low)
}

func TestVirtualMachineMayServeStaleOnPurpose(t *testing.T) {
	s := newScene()
	s.resolver = &event.Resolver{Path: "/etc/resolv.conf", Ndots: 1, Virtual: "java"}
	s.say(one, name, 2, oldA)
	s.pass(4 * time.Second)
	s.say(one, name, 2, newA)
	s.dial(oldA)
	f := s.must(t, StaleAnswer, finding.Suspected, finding.Medium)
	if !strings.Contains(f.Fix[0].Shell(), "networkaddress.cache.ttl") {
		t.Errorf("first fix %q", f.Fix[0].Shell())
	}
}

func TestStaleIsMendedByDialsToTheNewAddress(t *testing.T) {
	s := newScene()
	s.say(one, name, 2, oldA)
	s.pass(4 * time.Second)
	s.say(one, name, 2, newA)
	s.dial(oldA)
	s.settle()
	s.dial(newA)
	s.pass(3 * time.Second)
	if got := s.mended(); len(got) != 1 || !strings.Contains(got[0], newA) {
		t.Errorf("mended %q", got)
	}
}

func TestFlushCommandsAreOfTheCachesThatRun(t *testing.T) {
	s := newScene()
	s.resolver = &event.Resolver{Ndots: 1, Caches: []event.Cache{{Name: "dnsmasq", PID: 9}, {Name: "nscd", PID: 10}, {Name: "unbound", PID: 11}}}
	s.say(one, name, 2, oldA)
	s.pass(4 * time.Second)
	s.say(one, name, 2, newA)
	s.dial(oldA)
	var lines []string
	for _, step := range s.must(t, StaleAnswer, finding.Confirmed, finding.High).Fix {
		lines = append(lines, step.Shell())
	}
	for _, want := range []string{"kill -HUP 9", "nscd -i hosts", "unbound-control flush " + name} {
		if !slices.Contains(lines, want) {
			t.Errorf("%q is not among %q", want, lines)
		}
	}
}

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
			}
			s.settle()
			s.must(t, ResolversDisagree, finding.Suspected, finding.Low)
		})
	}
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
