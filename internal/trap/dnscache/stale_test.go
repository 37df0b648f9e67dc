// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

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

// heldDials are dials to an address that its name still has, or may have.
func heldDials() map[string]func(*scene) {
	return map[string]func(*scene){
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
		"another resolver never had it": func(s *scene) {
			s.say(two, name, 60, newA)
			s.say(one, name, 2, oldA)
			s.say(two, name, 60, newA)
			s.pass(5 * time.Second)
		},
		"another resolver gives it again": func(s *scene) {
			s.say(one, name, 2, oldA)
			s.pass(5 * time.Second)
			s.say(one, name, 2, newA)
			s.say(two, name, 60, oldA)
		},
	}
}

// movingDials are dials to an address that only this answer leaves out, or none takes
// away.
func movingDials() map[string]func(*scene) {
	return map[string]func(*scene){
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
	}
}

func TestOldAddressIsInnocentWhile(t *testing.T) {
	tests := heldDials()
	maps.Copy(tests, movingDials())
	for what, act := range tests {
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
	s.resolver = &event.Resolver{Ndots: 1, Caches: []event.Cache{
		{Name: "dnsmasq", PID: 9, Netns: ns}, {Name: "nscd", PID: 10, Netns: ns}, {Name: "unbound", PID: 11, Netns: ns}, {Name: "named", PID: 12, Netns: ns + 1},
	}}
	s.say(one, name, 2, oldA)
	s.pass(4 * time.Second)
	s.say(one, name, 2, newA)
	s.dial(oldA)
	var lines []string
	for _, step := range s.must(t, StaleAnswer, finding.Confirmed, finding.High).Fix {
		lines = append(lines, step.Shell())
	}
	if slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, "rndc") }) {
		t.Errorf("the cache of another namespace is to be emptied: %q", lines)
	}
	for _, want := range []string{"kill -HUP 9", "nscd -i hosts", "unbound-control flush " + name} {
		if !slices.Contains(lines, want) {
			t.Errorf("%q is not among %q", want, lines)
		}
	}
}

// Somebody else was told a moment ago that the address holds for a minute: that is no
// excuse for a program whose own answer ran out long before.
func TestEachProgramIsHeldToWhatItWasTold(t *testing.T) {
	s := newScene()
	s.say(one, name, 2, oldA)
	s.pass(10 * time.Second)
	s.pid = appPID + 1
	s.say(one, name, 60, oldA)
	s.say(one, name, 60, newA)
	s.dial(oldA)
	s.silent(t)
	s.pid = appPID
	s.dial(oldA)
	s.settle()
	if f := s.must(t, StaleAnswer, finding.Confirmed, finding.High); f.Process.PID != appPID {
		t.Errorf("told of %+v", f.Process)
	}
}

const other = "static.example.org"

// moved is a program that was told an address of a name which goes elsewhere, while
// another program had the other name at the same address.
func moved(s *scene) {
	s.say(one, name, 2, oldA)
	s.pid++
	s.say(one, other, 2, oldA)
	s.pid--
	s.pass(4 * time.Second)
	s.say(one, name, 2, newA)
}

func TestNameThatIsDeniedNowKeepsNoAddress(t *testing.T) {
	for what, act := range map[string]func(*scene){
		"denied twice": func(s *scene) {
			s.deny(one, other, "A", 60)
			s.pass(2 * time.Second)
			s.deny(one, other, "A", 58)
		},
		"denied once, a while ago": func(s *scene) {
			s.deny(one, other, "A", 60)
			s.pass(12 * time.Second)
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := newScene()
			moved(s)
			act(s)
			s.pid = 1234 // nobody knows by which name it has the address
			s.dial(oldA)
			s.settle()
			f := s.must(t, StaleAnswer, finding.Confirmed, finding.High)
			if f.DNS.Question != name || f.DNS.StaleIP != oldA {
				t.Errorf("told %+v", f.DNS)
			}
			s.pass(time.Second)
			s.say(one, other, 60, oldA)
			if got := s.mended(); len(got) != 1 || !strings.Contains(got[0], other) {
				t.Errorf("mended %q: the other name has the address again", got)
			}
		})
	}
}

func TestNameKeepsItsAddressWhile(t *testing.T) {
	for what, act := range map[string]func(*scene){
		"it was denied a moment ago":      func(s *scene) { s.deny(one, other, "A", 60) },
		"only its AAAA is denied":         func(s *scene) { denials(s, one, other, "AAAA") },
		"another resolver denies it":      func(s *scene) { denials(s, two, other, "A") },
		"a suffix of it is denied":        func(s *scene) { denials(s, one, other+".corp.test", "A") },
		"it has the address again":        func(s *scene) { denials(s, one, other, "A"); s.say(one, other, 60, oldA) },
		"it was denied before it had any": func(s *scene) { s.say(one, other, 60, oldA) },
	} {
		t.Run(what, func(t *testing.T) {
			s := newScene()
			denials(s, one, other, "A")
			moved(s)
			act(s)
			s.pid = 1234
			s.dial(oldA)
			s.settle()
			if seen, ok := s.Last(StaleAnswer); ok {
				t.Errorf("false alarm: %+v", seen)
			}
		})
	}
}

func denials(s *scene, server, name, kind string) {
	for range 3 {
		s.deny(server, name, kind, 60)
		s.pass(time.Second)
	}
}

// Two names at one address: which of them a program means is known where it was told it
// under one of them alone.
func TestProgramMeansTheNameThatItAskedFor(t *testing.T) {
	s := newScene()
	moved(s)
	s.say(one, other, 300, oldA) // by the very program: it may mean either
	s.dial(oldA)
	s.settle()
	s.silent(t)

	s = newScene()
	moved(s)
	s.pid++
	s.say(one, other, 300, oldA)
	s.dial(oldA) // means what it asked for
	s.settle()
	s.silent(t)
	s.pid--
	s.dial(oldA)
	s.settle()
	f := s.must(t, StaleAnswer, finding.Suspected, finding.Medium)
	if f.DNS.Question != name || !slices.ContainsFunc(f.Against, func(a string) bool { return strings.Contains(a, "another name still has the address") }) {
		t.Errorf("told %+v against %q", f.DNS, f.Against)
	}
}

// Who was told is forgotten where a crowd asks: then nobody is held to it.
func TestCrowdIsHeldToNoName(t *testing.T) {
	s := newScene()
	s.say(one, name, 2, oldA)
	s.pid = 5000
	for range 40 {
		s.pid++
		s.say(one, other, 2, oldA)
	}
	s.pid = appPID
	s.pass(4 * time.Second)
	s.say(one, name, 2, newA)
	s.dial(oldA)
	s.settle()
	s.silent(t)
}

func TestPoolThatDialsAgainAfterMinutesIsStale(t *testing.T) {
	s := newScene()
	s.say(one, name, 30, oldA)
	s.dial(oldA)
	for range 20 { // others look the name up now and then
		s.pass(time.Minute)
		s.pid++
		s.say(one, name, 30, newA)
	}
	s.silent(t)
	s.pid = appPID
	s.dial(oldA)
	s.settle()
	if f := s.must(t, StaleAnswer, finding.Confirmed, finding.High); f.Process.PID != appPID {
		t.Errorf("told of %+v", f.Process)
	}
}

func TestAddressThatMovesBackIsGoodAgain(t *testing.T) {
	s := newScene()
	s.say(one, name, 2, oldA)
	s.pass(4 * time.Second)
	s.say(one, name, 2, newA)
	s.dial(oldA)
	s.settle()
	s.must(t, StaleAnswer, finding.Confirmed, finding.High)
	s.pass(4 * time.Second)
	s.say(one, name, 2, oldA)
	if got := s.mended(); len(got) != 1 || !strings.Contains(got[0], oldA+" again") {
		t.Errorf("mended %q", got)
	}
	seen := len(s.Sightings)
	s.dial(oldA)
	s.settle()
	if len(s.Sightings) != seen {
		t.Errorf("told again: %+v", s.Sightings)
	}
}
