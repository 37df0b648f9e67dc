// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	causeDisagree = finding.Cause("resolvers-disagree")
	causeNegative = finding.Cause("negative-cached")
	causeLongTTL  = finding.Cause("ttl-too-long")
)

// answers are faults in what resolvers say: two that contradict each other, a denial
// that outlives the record's coming, and an answer that holds for a day.
func answers() []Scenario {
	fault := Scenario{Trap: finding.DNSCaching, Views: []string{"client"}, budget: nameBudget}
	behind, split, negative, long := fault, fault, fault, fault
	behind.Name, behind.Cause = "dns-behind", causeDisagree
	behind.Summary = "two resolvers: one still has the old address in its cache, for half a minute"
	behind.build = oneBehind
	split.Name, split.Cause = "dns-split-horizon", causeDisagree
	split.Summary = "an internal and a public resolver differ on purpose: suspected, and low"
	split.build = splitHorizon
	negative.Name, negative.Cause = "dns-negative", causeNegative
	negative.Summary = "a name was asked for before it was made: one resolver goes on denying it"
	negative.build = deniedTooLong
	long.Name, long.Cause = "dns-long-ttl", causeLongTTL
	long.Summary = "an answer that holds for a week"
	long.build = weekLong
	twin := Scenario{TwinOf: behind.Name, Views: fault.Views}
	caches, made := twin, twin
	caches.Name = "dns-two-caches"
	caches.Summary = "two caches keep another address of a pool each, for as long as it holds"
	caches.window = 12 * time.Second
	caches.build = twoCaches
	made.Name, made.TwinOf = "dns-created", negative.Name
	made.Summary = "a name that is made while it is asked for: denials hold for a second"
	made.build = created
	return []Scenario{behind, split, negative, long, caches, made}
}

// asker asks one resolver for the service again and again.
type asker struct {
	resolver stub
	// each is told of the addresses of each answer; nil for nobody.
	each func(m *meter, addrs string)
}

func (a asker) run(s *space, name string, rate int) job {
	return inside(s, name, func(ctx context.Context, m *meter) error {
		pace(ctx, rate, rate*300, func() {
			found, err := a.resolver.addresses(service)
			m.attempt(err)
			if a.each != nil {
				a.each(m, fmt.Sprint(found))
			}
		})
		return nil
	})
}

// changedAfter is when the record of a scenario with two resolvers changes.
const changedAfter = 2 * time.Second

// oneBehind has a record that changes while both resolvers have it; one of them is
// started anew then.
func oneBehind(n *network) stage {
	s := buildStreet(n)
	z := newZone()
	z.set(service, 30, streetOld)
	first, second := newCache(s.world, streetZone), newCache(s.world, streetZone)
	var news atomic.Uint64
	one := asker{resolver: stubOf(streetFirst)}
	two := asker{resolver: stubOf(streetSecond), each: func(m *meter, addrs string) {
		if addrs == "["+streetNew+"]" && news.Add(1) == 2 { // it lasts, and the other was heard meanwhile
			m.strike()
		}
	}}
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone),
			n.serveDNS(s.world, first.reply, streetFirst), n.serveDNS(s.world, second.reply, streetSecond),
			after(changedAfter, func() {
				z.set(service, 30, streetNew)
				second.flush()
			}),
			one.run(s.client, "lab-one", 5), two.run(s.client, "lab-two", 4)),
		proof: func(reading) error { return atLeast("answers with the new address", news.Load(), 2) },
		obey:  first.flush,
		judge: judgeResolvers(finding.Suspected),
	}
}

// judgeResolvers holds a finding against which resolver is to blame: the first of the two.
func judgeResolvers(status finding.Status) func(reading, *Result) []string {
	return func(_ reading, s *Result) []string {
		told := s.first.Trapbpf.DNS
		if told == nil {
			return []string{"the finding tells nothing of the resolvers"}
		}
		wrong := expect(nil, "the status", s.first.Trapbpf.Status, status)
		wrong = expect(wrong, "the name", s.first.DNS.Question.Name, service)
		wrong = expect(wrong, "the resolver", told.Resolver, streetFirst)
		return expect(wrong, "the other resolver", told.OtherResolver, streetSecond)
	}
}

func splitHorizon(n *network) stage {
	s := buildStreet(n)
	inner, outer := newZone(), newZone()
	inner.set(service, 20, streetOld)
	outer.set(service, 20, "198.51.100.7")
	var both atomic.Uint64
	one := asker{resolver: stubOf(streetFirst)}
	two := asker{resolver: stubOf(streetSecond), each: func(m *meter, _ string) {
		if both.Add(1) == 2 {
			m.strike()
		}
	}}
	return stage{
		traffic: together(n.serveDNS(s.world, inner.reply, streetFirst), n.serveDNS(s.world, outer.reply, streetSecond),
			one.run(s.client, "lab-one", 5), two.run(s.client, "lab-two", 4)),
		proof: func(reading) error { return atLeast("answers", both.Load(), 2) },
		obey:  func() { outer.set(service, 20, streetOld) },
		judge: func(_ reading, s *Result) []string {
			return expect(nil, "the severity", s.first.Event.Severity, finding.Low)
		},
	}
}

// deniedTooLong has a name made after one resolver was asked for it.
func deniedTooLong(n *network) stage {
	s := buildStreet(n)
	z := newZone()
	first := newCache(s.world, streetZone)
	var had atomic.Int64 // when the other resolver first had it
	var denied atomic.Uint64
	one := asker{resolver: stubOf(streetFirst), each: func(m *meter, addrs string) {
		since := had.Load()
		if addrs == "[]" && since != 0 && time.Since(time.Unix(0, since)) > time.Second {
			denied.Add(1)
			m.strike()
		}
	}}
	two := asker{resolver: stubOf(streetSecond), each: func(_ *meter, addrs string) {
		if addrs != "[]" {
			had.CompareAndSwap(0, time.Now().UnixNano())
		}
	}}
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone, streetSecond), n.serveDNS(s.world, first.reply, streetFirst),
			after(changedAfter, func() { z.set(service, 30, streetNew) }),
			one.run(s.client, "lab-one", 5), unmeasured(two.run(s.client, "lab-two", 4))),
		proof: func(reading) error { return atLeast("denials of a name that exists", denied.Load(), 1) },
		obey:  first.flush,
		judge: judgeResolvers(finding.Confirmed),
		heals: true,
	}
}

func weekLong(n *network) stage {
	const week = 7 * 24 * 3600
	s := buildStreet(n)
	z := newZone()
	z.set(service, week, streetNew)
	resolver := newCache(s.world, streetZone)
	client := asker{resolver: stubOf(streetFirst), each: func(m *meter, _ string) { m.strike() }}
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone), n.serveDNS(s.world, resolver.reply, streetFirst),
			client.run(s.client, "lab-app", 4)),
		proof: func(r reading) error { return atLeast("answers", r.OK, 2) },
		obey: func() {
			z.set(service, 300, streetNew)
			resolver.flush()
		},
		judge: func(_ reading, s *Result) []string {
			if s.first.Trapbpf.DNS == nil {
				return []string{"the finding tells nothing of the answer"}
			}
			wrong := expect(nil, "the TTL", s.first.Trapbpf.DNS.TTL, week)
			return expect(wrong, "the severity", s.first.Event.Severity, finding.Low)
		},
	}
}

// twoCaches have a zone that gives another address of many each time it is asked.
func twoCaches(n *network) stage {
	s := buildStreet(n)
	z := newZone()
	var turn atomic.Uint32
	pooled := func(q *dnsmessage.Message) *dnsmessage.Message {
		z.set(service, 5, fmt.Sprintf("10.63.1.%d", 20+turn.Add(1)%50))
		return z.reply(q)
	}
	first, second := newCache(s.world, streetZone), newCache(s.world, streetZone)
	one, two := asker{resolver: stubOf(streetFirst)}, asker{resolver: stubOf(streetSecond)}
	return stage{
		traffic: together(n.serveDNS(s.world, pooled, streetZone),
			n.serveDNS(s.world, first.reply, streetFirst), n.serveDNS(s.world, second.reply, streetSecond),
			one.run(s.client, "lab-one", 5), two.run(s.client, "lab-two", 4)),
		proof: func(r reading) error { return atLeast("answers", r.OK, 80) },
	}
}

// created has a name made while two caches are asked for it.
func created(n *network) stage {
	s := buildStreet(n)
	z := newZone()
	z.negative = 1
	first, second := newCache(s.world, streetZone), newCache(s.world, streetZone)
	one, two := asker{resolver: stubOf(streetFirst)}, asker{resolver: stubOf(streetSecond)}
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone),
			n.serveDNS(s.world, first.reply, streetFirst), n.serveDNS(s.world, second.reply, streetSecond),
			after(changedAfter, func() { z.set(service, 30, streetNew) }),
			one.run(s.client, "lab-one", 5), two.run(s.client, "lab-two", 4)),
		proof: func(r reading) error { return atLeast("answers", r.OK, 30) },
	}
}
