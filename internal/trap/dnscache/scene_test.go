// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"maps"
	"net/netip"
	"slices"
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
