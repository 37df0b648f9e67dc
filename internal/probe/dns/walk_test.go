// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"slices"
	"testing"
)

// A root, a top-level domain and a zone of its own: only the root is known to the
// resolver.
func TestDelegationIsFollowedFromTheTop(t *testing.T) {
	s := newScene(t)
	s.listen("127.0.2.1", (&book{zone: ".", lines: []string{
		". 3600 NS a.root.", "a.root. 3600 A 127.0.2.1", "test. 3600 NS ns.nic.test.", "ns.nic.test. 3600 A 127.0.2.2",
	}}).handle)
	s.listen("127.0.2.2", (&book{zone: "test.", lines: []string{
		"test. 3600 NS ns.nic.test.", "ns.nic.test. 3600 A 127.0.2.2",
		"example.test. 3600 NS ns1.example.test.", "ns1.example.test. 3600 A 127.0.2.3",
		"example.test. 3600 NS ns2.example.test.", "ns2.example.test. 3600 A 127.0.2.4",
	}}).handle)
	for _, addr := range []string{"127.0.2.3", "127.0.2.4"} {
		s.zoneAt(addr, "deep.app.example.test. 300 A 192.0.2.1")
	}
	s.cacheAt("127.0.0.2", ". 3600 NS a.root.", "a.root. 3600 A 127.0.2.1", "deep.app.example.test. 20 A 192.0.2.8")
	r := s.probe("deep.app.example.test", at(Resolver, "127.0.0.2"))
	if len(r.Servers) != 3 || s.row(r, "127.0.2.3").Zone != "example.test" || s.row(r, "127.0.2.4").Host != "ns2.example.test" {
		t.Errorf("got %+v", r.Servers)
	}
	if r.Verdict != VerdictBehind || s.row(r, "127.0.0.2").Status != Behind {
		t.Errorf("got %+v", r)
	}
}

func TestAliasIsFollowedIntoItsZone(t *testing.T) {
	s := newScene(t)
	s.zoneAt("127.0.1.1", append(zoneLines("192.0.2.1"), "www.example.test. 300 CNAME edge.cdn.test.")...)
	s.listen("127.0.1.2", (&book{zone: "cdn.test.", lines: []string{"edge.cdn.test. 60 A 192.0.2.50"}}).handle)
	s.cacheAt("127.0.0.2", "example.test. 60 NS ns1.example.test.", "ns1.example.test. 60 A 127.0.1.1",
		"cdn.test. 60 NS ns.cdn.test.", "ns.cdn.test. 60 A 127.0.1.2",
		"www.example.test. 100 CNAME edge.cdn.test.", "edge.cdn.test. 40 A 192.0.2.49")
	r := s.probe("www.example.test", at(Resolver, "127.0.0.2"))
	row := s.row(r, "127.0.0.2")
	if row.Status != Behind || *row.BehindSeconds != 40 || !slices.Equal(row.Aliases, []string{"edge.cdn.test"}) {
		t.Errorf("got %+v", row)
	}
	if cdn := s.row(r, "127.0.1.2"); cdn.Question != "edge.cdn.test" || !slices.Equal(cdn.Answers, []string{"192.0.2.50"}) {
		t.Errorf("got %+v", cdn)
	}
	s.says(r, "for edge.cdn.test")
}

func TestZonesOwnServersMayDisagree(t *testing.T) {
	s := newScene(t)
	s.zoneAt("127.0.1.1", zoneLines("192.0.2.1")...)
	s.zoneAt("127.0.1.2", zoneLines("192.0.2.2")...)
	s.cacheAt("127.0.0.2", append(zoneLines("192.0.2.1"), "example.test. 60 NS ns2.example.test.", "ns2.example.test. 60 A 127.0.1.2")...)
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"))
	if r.Verdict != VerdictDisagree || s.row(r, "127.0.0.2").Status != Current || s.row(r, "127.0.1.2").Status != Differs {
		t.Errorf("got %+v", r)
	}
	s.says(r, "the zone's own servers disagree")
}

func TestLameServerIsTold(t *testing.T) {
	s := newScene(t)
	s.zoneAt("127.0.1.1", zoneLines("192.0.2.1")...)
	s.cacheAt("127.0.1.2", zoneLines("192.0.2.2")...)
	s.cacheAt("127.0.0.2", append(zoneLines("192.0.2.1"), "example.test. 60 NS ns2.example.test.", "ns2.example.test. 60 A 127.0.1.2")...)
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"))
	if s.row(r, "127.0.1.2").Status != Lame || r.Verdict != VerdictPartly {
		t.Errorf("got %+v", r)
	}
}

// A server that the zone is delegated to, and that answers as a cache does, is the
// nearest thing to the zone's word.
func TestAnswerWithoutAuthorityIsBetterThanNone(t *testing.T) {
	s := newScene(t)
	s.cacheAt("127.0.1.1", zoneLines("192.0.2.2")...)
	s.cacheAt("127.0.0.2", zoneLines("192.0.2.1")...)
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"))
	if s.row(r, "127.0.1.1").Status != Lame || s.row(r, "127.0.0.2").Status != Behind {
		t.Errorf("got %+v", r)
	}
	s.says(r, "127.0.1.1 (ns1.example.test, a server of example.test) does not speak for the zone")
}

// A zone that refers up, sideways or to itself leads nowhere.
func TestDelegationThatDoesNotLeadDownIsNotFollowed(t *testing.T) {
	s := newScene(t)
	s.listen("127.0.1.1", func(packet []byte, _ bool, _ func([]byte)) []byte {
		a := replyTo(packet)
		for _, line := range []string{"test. 60 NS ns.evil.test.", "other.test. 60 NS ns.evil.test.", "example.test. 60 NS ns.evil.test."} {
			a.Authorities = append(a.Authorities, resource(line))
		}
		a.Additionals = append(a.Additionals, resource("ns.evil.test. 60 A 127.0.1.66"))
		return a.pack()
	})
	asked := false
	s.listen("127.0.1.66", func([]byte, bool, func([]byte)) []byte { asked = true; return nil })
	s.cacheAt("127.0.0.2", zoneLines("192.0.2.1")...)
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"))
	if asked || s.row(r, "127.0.1.1").Status != Lame {
		t.Errorf("asked %v, %+v", asked, r)
	}
}
