// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// lose asks a question that gets no answer.
func (s *scene) lose(server, name string) *event.DNSQuery {
	q := s.query(server, name, "A")
	s.Feed(q)
	s.facts()
	return q
}

func (s *scene) fail(server, name, code string) {
	q := s.query(server, name, "A")
	s.Feed(q)
	a := s.answer(q, 0)
	a.RCode = code
	s.Feed(a)
}

func TestSilentResolverIsConfirmedWhileAnotherAnswers(t *testing.T) {
	s := newScene()
	for i := range 3 {
		s.lose(one, fmt.Sprintf("n%d.example.org", i))
		s.say(two, fmt.Sprintf("n%d.example.org", i), 60, oldA)
	}
	s.pass(answerWait + time.Second)
	f := s.must(t, ResolverUnanswered, finding.Confirmed, finding.Medium)
	if f.DNS.Resolver != one || f.DNS.Unanswered != 3 || f.DNS.Queries != 3 || f.Flow.Destination.String() != one {
		t.Errorf("told %+v, %+v", f.DNS, f.Flow)
	}
	s.say(one, "a.example.org", 60, oldA)
	s.say(one, "b.example.org", 60, oldA)
	s.pass(time.Second)
	if got := s.mended(); !slices.Equal(got, []string{one + " answers again"}) {
		t.Errorf("mended %q", got)
	}
}

func TestOnlyResolverThatIsSilentIsWorseAndOnlySuspected(t *testing.T) {
	s := newScene()
	for i := range 3 {
		s.lose(one, fmt.Sprintf("n%d.example.org", i))
	}
	s.pass(answerWait + time.Second)
	s.must(t, ResolverUnanswered, finding.Suspected, finding.High)
}

func TestQuestionSentAgainIsUnansweredAtOnce(t *testing.T) {
	s := newScene()
	for i := range 3 {
		q := s.lose(one, fmt.Sprintf("n%d.example.org", i))
		s.now = s.now.Add(1100 * time.Millisecond)
		again := *q
		again.Time = s.now
		s.Feed(&again)
		again.Time = s.now.Add(time.Second)
		s.Feed(&again)
	}
	s.settle()
	if f := s.must(t, ResolverUnanswered, finding.Suspected, finding.High); f.DNS.Unanswered != 3 {
		t.Errorf("%d unanswered, want 3", f.DNS.Unanswered)
	}
}

func TestResolverThatLosesMostQuestionsIsSilentToo(t *testing.T) {
	s := newScene()
	for i := range 40 {
		if i%3 != 0 {
			s.lose(one, fmt.Sprintf("n%d.example.org", i))
		} else {
			s.say(one, name, 60, oldA)
		}
		s.pass(200 * time.Millisecond)
	}
	s.must(t, ResolverUnanswered, finding.Suspected, finding.High)
}

func TestStubOnLoopbackIsNotBlamedForItsUpstream(t *testing.T) {
	s := newScene()
	for i := range 5 {
		s.pid = appPID
		s.lose("127.0.0.53", fmt.Sprintf("n%d.example.org", i))
		s.pid = appPID + 1
		s.lose(one, fmt.Sprintf("n%d.example.org", i))
	}
	s.pass(answerWait + time.Second)
	for _, seen := range s.Sightings {
		if seen.Key.Subject != one {
			t.Errorf("told of %s", seen.Key.Subject)
		}
	}
	s.must(t, ResolverUnanswered, finding.Suspected, finding.High)
}

func TestServerErrorsForSeveralNamesCount(t *testing.T) {
	s := newScene()
	for i := range 3 {
		s.say(two, fmt.Sprintf("n%d.example.org", i), 60, oldA)
		s.fail(one, fmt.Sprintf("n%d.example.org", i), "SERVFAIL")
	}
	s.settle()
	f := s.must(t, ResolverUnanswered, finding.Confirmed, finding.Medium)
	if f.DNS.Failures != 3 || f.DNS.ResponseCode != "SERVFAIL" || f.ErrorCode != "" || !strings.Contains(f.Message, "errors") {
		t.Errorf("told %q, %+v", f.Message, f.DNS)
	}
}

// innocent is what happens to resolvers that do their work.
func innocent() map[string]func(*scene) {
	return map[string]func(*scene){
		"one zone is broken": func(s *scene) {
			for range 10 {
				s.fail(one, "broken.example.org", "SERVFAIL")
			}
		},
		"a packet is lost now and then": func(s *scene) {
			for i := range 4 {
				s.lose(one, fmt.Sprintf("n%d.example.org", i))
				for range 3 {
					s.say(one, name, 60, oldA)
				}
			}
			s.pass(answerWait)
		},
		"an outage is over before it is noticed": func(s *scene) {
			for i := range 6 {
				s.lose(one, fmt.Sprintf("n%d.example.org", i))
			}
			s.pass(time.Second)
			for range overAfter {
				s.say(one, name, 60, oldA)
			}
			s.pass(answerWait)
		},
		"two questions are lost": func(s *scene) {
			s.lose(one, "a.example.org")
			s.lose(one, "b.example.org")
			s.pass(answerWait)
		},
		"names do not exist": func(s *scene) {
			for i := range 9 {
				s.deny(one, fmt.Sprintf("n%d.example.org", i), "A", 30)
			}
		},
		"a stub on loopback passes a single one on": func(s *scene) {
			s.lose("127.0.0.53", "n.example.org")
			s.lose(one, "n.example.org")
			s.pass(answerWait)
		},
		"it is slow but answers": func(s *scene) {
			for i := range 5 {
				q := s.lose(one, fmt.Sprintf("n%d.example.org", i))
				s.pass(answerWait - time.Second)
				s.Feed(s.answer(q, 60, oldA))
			}
		},
		"it is a recursive resolver's own walk": func(s *scene) {
			for i := range 9 {
				q := s.query(one, fmt.Sprintf("n%d.example.org", i), "A")
				q.Recursive = false
				s.Feed(q)
			}
			s.pass(answerWait)
		},
	}
}

func TestResolverIsInnocentWhere(t *testing.T) {
	for what, act := range innocent() {
		t.Run(what, func(t *testing.T) {
			s := newScene()
			act(s)
			s.settle()
			s.silent(t)
		})
	}
}

func TestAnswersOfOtherNamespacesAreStrays(t *testing.T) {
	s := newScene()
	q := s.query(one, name, "A")
	s.Feed(q)
	a := s.answer(q, 60, oldA)
	a.Netns = 1
	s.Feed(a)
	forged := s.answer(q, 60, newA)
	forged.ID++
	s.Feed(forged)
	s.pass(answerWait)
	s.dial(newA)
	s.silent(t)
}

func TestTimeoutOptionIsOfferedWhereItHelps(t *testing.T) {
	s := newScene()
	s.resolver = &event.Resolver{
		Path: "/etc/resolv.conf", Ndots: 1, Timeout: 5, Attempts: 2,
		Nameservers: []netip.Addr{netip.MustParseAddr(one), netip.MustParseAddr(two)},
	}
	for i := range 3 {
		s.lose(one, fmt.Sprintf("n%d.example.org", i))
		s.say(two, fmt.Sprintf("n%d.example.org", i), 60, oldA)
	}
	s.pass(answerWait + time.Second)
	f := s.must(t, ResolverUnanswered, finding.Confirmed, finding.Medium)
	if !slices.ContainsFunc(f.Fix, func(step finding.Step) bool {
		op, ok := step.Op.(finding.ResolvOp)
		return ok && op.Option == "timeout:1"
	}) {
		t.Errorf("fixes %v", f.Fix)
	}
}

func TestEncryptedQuestionsAreSaidToBeUnseen(t *testing.T) {
	never := trap.ViewOf(New(), []event.Hook{{Sight: "dns", Rung: "cgroup"}}).Never
	if !slices.ContainsFunc(never, func(what string) bool { return strings.Contains(what, "DNS over TLS") }) {
		t.Errorf("never seen: %q", never)
	}
}

// race sends one question to both resolvers at once, as musl does; what answers is what
// came before the socket was closed.
func (s *scene) race(name string, answers func(first, second *event.DNSQuery)) {
	first := s.query(one, name, "A")
	second := *first
	second.Server = netip.AddrPortFrom(netip.MustParseAddr(two), 53)
	s.Feed(first)
	s.Feed(&second)
	answers(first, &second)
}

func TestSlowerOfTwoResolversThatAreRacedIsNotSilent(t *testing.T) {
	s := newScene()
	for i := range 20 {
		s.race(fmt.Sprintf("n%d.example.org", i), func(first, _ *event.DNSQuery) { s.Feed(s.answer(first, 60, oldA)) })
		s.pass(300 * time.Millisecond)
	}
	s.pass(2 * answerWait)
	s.silent(t)
}

func TestResolversThatAreRacedInVainAreSilent(t *testing.T) {
	for what, answers := range map[string]func(*scene, *event.DNSQuery){
		"none answers":      func(*scene, *event.DNSQuery) {},
		"one gives refusal": func(s *scene, q *event.DNSQuery) { a := s.answer(q, 0); a.RCode = "REFUSED"; s.Feed(a) },
	} {
		s := newScene()
		for i := range 4 {
			s.race(fmt.Sprintf("n%d.example.org", i), func(first, _ *event.DNSQuery) { answers(s, first) })
		}
		s.pass(2 * answerWait)
		told := slices.ContainsFunc(s.Sightings, func(seen trap.Sighting) bool { return seen.Key.Subject == two })
		if !told {
			t.Errorf("%s: nothing is told of %s: %+v", what, two, s.Sightings)
		}
	}
}

func TestResolverThatStopsIsToldThoughTheWindowSpeaksForIt(t *testing.T) {
	s := newScene()
	for i := range 100 {
		s.say(one, fmt.Sprintf("n%d.example.org", i), 60, oldA)
		s.pass(100 * time.Millisecond)
	}
	for i := range 2 {
		s.lose(one, fmt.Sprintf("n%d.example.org", i))
		s.lose(one, fmt.Sprintf("n%d.example.org", i))
	}
	s.pass(answerWait + 2*250*time.Millisecond + factsWait)
	f := s.must(t, ResolverUnanswered, finding.Suspected, finding.High)
	if !slices.ContainsFunc(f.Evidence, func(e string) bool { return strings.Contains(e, "none of the last 4 questions") }) {
		t.Errorf("evidence %q", f.Evidence)
	}
}

func TestResolverWithOneFarNameIsNotDead(t *testing.T) {
	s := newScene()
	for i := range 60 {
		s.say(one, fmt.Sprintf("n%d.example.org", i), 60, oldA)
	}
	for range 4 {
		s.lose(one, "far.example.org")
	}
	s.pass(2 * answerWait)
	s.silent(t)
}

func TestQuestionsAreInDoubtWhileAnswersAreLost(t *testing.T) {
	for stage, told := range map[string]bool{"ring": false, "decode": true} {
		s := newScene()
		for i := range 6 {
			s.lose(one, fmt.Sprintf("n%d.example.org", i))
		}
		s.Feed(&event.Loss{Header: s.head(), Of: event.KindDNSAnswer, Stage: stage, Count: 6})
		s.pass(2 * answerWait)
		if got := len(s.Sightings) > 0; got != told {
			t.Errorf("answers lost at %s: told %v, want %v", stage, got, told)
		}
	}
}
