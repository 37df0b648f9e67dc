// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const causeSilent = finding.Cause("resolver-unanswered")

// silent is a resolver that says nothing, or nothing but errors, while another answers.
func silent() []Scenario {
	fault := Scenario{
		Trap: finding.DNSCaching, Cause: causeSilent,
		Views: []string{"client"}, budget: nameBudget,
	}
	dead, failing := fault, fault
	dead.Name = "dns-silent"
	dead.Summary = "the first of two nameservers is dead: every lookup waits for it"
	dead.build = deadResolver
	failing.Name = "dns-servfail"
	failing.Summary = "a resolver without an upstream answers SERVFAIL, over IPv6; another works"
	failing.build = failingResolver
	twin := Scenario{TwinOf: dead.Name, Views: fault.Views}
	lost, outage, multicast := twin, twin, twin
	lost.Name = "dns-lost-packet"
	lost.Summary = "every tenth question is lost and sent again"
	lost.build = lostQuestions
	outage.Name = "dns-outage"
	outage.Summary = "a resolver is started anew and is away for a second and a half"
	outage.build = shortOutage
	multicast.Name = "dns-mdns"
	multicast.Summary = "multicast DNS: questions to port 5353 that nobody answers, as is usual"
	multicast.build = multicastDNS
	return []Scenario{dead, failing, lost, outage, multicast}
}

// waitsFor is how long the agent lets a question wait for its answer (the runbook's
// page): the third that is overdue decides.
const waitsFor = 3 * time.Second

// failure is a resolver that does its work only once it was mended.
type failure struct {
	zone   *zone
	mended atomic.Bool
	asked  atomic.Uint64
	third  chan struct{} // closed when the third question came
	says   func(q *dnsmessage.Message) *dnsmessage.Message
}

func newFailure(says responder) *failure {
	return &failure{zone: clusterZone(), third: make(chan struct{}), says: says}
}

func (f *failure) reply(q *dnsmessage.Message) *dnsmessage.Message {
	if f.mended.Load() {
		return f.zone.reply(q)
	}
	if f.asked.Add(1) == 3 {
		close(f.third)
	}
	return f.says(q)
}

// decides notes the symptom a while after the third question.
func (f *failure) decides(after time.Duration) job {
	return func(ctx context.Context, m *meter) error {
		select {
		case <-ctx.Done():
			return nil
		case <-f.third:
		}
		select {
		case <-ctx.Done():
		case <-time.After(after):
			m.strike()
			<-ctx.Done()
		}
		return nil
	}
}

func (f *failure) proof(reading) error { return atLeast("questions in vain", f.asked.Load(), 3) }

func nothing(*dnsmessage.Message) *dnsmessage.Message { return nil }

func servfail(q *dnsmessage.Message) *dnsmessage.Message {
	a := replyTo(q)
	a.RCode = dnsmessage.RCodeServerFailure
	return a
}

// deadResolver has a client of Go's own resolver, which asks the second after a second.
func deadResolver(n *network) stage {
	const conf = "nameserver " + streetFirst + "\nnameserver " + streetSecond + "\noptions timeout:1\n"
	s := buildStreet(n)
	dead := newFailure(nothing)
	return stage{
		traffic: together(n.serveDNS(s.world, dead.reply, streetFirst), n.serveDNS(s.world, clusterZone().reply, streetSecond),
			s.client.lookups(Lookups{ResolvConf: conf, Names: outside(), Rate: 4}, nil), dead.decides(waitsFor)),
		proof: dead.proof,
		obey:  func() { dead.mended.Store(true) },
		judge: judgeSilent(streetFirst, finding.Confirmed),
		heals: true,
	}
}

func judgeSilent(resolver string, status finding.Status) func(reading, *Result) []string {
	return func(_ reading, s *Result) []string {
		told := s.first.Trapbpf.DNS
		if told == nil {
			return []string{"the finding tells nothing of the resolver"}
		}
		s.note("told: %d asked, %d unanswered, %d failed", told.Queries, told.Unanswered, told.Failures)
		wrong := expect(nil, "the status", s.first.Trapbpf.Status, status)
		return expect(wrong, "the resolver", told.Resolver, resolver)
	}
}

// failingResolver is asked first by a program that then asks another.
func failingResolver(n *network) stage {
	s := buildStreet(n)
	bad := newFailure(servfail)
	first, second := stubOf(streetFirst6), stubOf(streetSecond)
	next := 0
	client := inside(s.client, "lab-app", func(ctx context.Context, m *meter) error {
		pace(ctx, 3, 900, func() {
			name := outside()[next%len(outside())]
			next++
			_, err := first.addresses(name)
			if err != nil {
				_, err = second.addresses(name)
			}
			m.attempt(err)
		})
		return nil
	})
	return stage{
		traffic: together(n.serveDNS(s.world, bad.reply, streetFirst6), n.serveDNS(s.world, clusterZone().reply, streetSecond),
			client, bad.decides(0)),
		proof: bad.proof,
		obey:  func() { bad.mended.Store(true) },
		judge: judgeSilent(streetFirst6, finding.Confirmed),
		heals: true,
	}
}

// lostQuestions loses the first sending of every tenth question.
func lostQuestions(n *network) stage {
	s := buildStreet(n)
	z := clusterZone()
	var asked atomic.Uint64
	loses := func(q *dnsmessage.Message) *dnsmessage.Message {
		if asked.Add(1)%10 == 0 {
			return nil
		}
		return z.reply(q)
	}
	client := &app{resolver: stubOf(streetFirst), service: outside()[0]}
	client.resolver.tries = 3
	return stage{
		traffic: together(n.serveDNS(s.world, loses, streetFirst), n.serveAll(s.world, streetNew),
			client.run(s.client, "lab-app", 10)),
		proof: func(r reading) error { return atLeast("answered calls", r.OK, 20) },
	}
}

// shortOutage is away for a second and a half, for a client that does not ask twice.
func shortOutage(n *network) stage {
	s := buildStreet(n)
	z := clusterZone()
	var away atomic.Bool
	restarts := func(q *dnsmessage.Message) *dnsmessage.Message {
		if away.Load() {
			return nil
		}
		return z.reply(q)
	}
	var jobs []job
	for range 3 {
		client := &app{resolver: stubOf(streetFirst), service: outside()[0]}
		client.resolver.tries, client.resolver.wait = 1, 300*time.Millisecond
		jobs = append(jobs, client.run(s.client, "lab-app", 4))
	}
	return stage{
		traffic: together(n.serveDNS(s.world, restarts, streetFirst), n.serveAll(s.world, streetNew), together(jobs...),
			after(2*time.Second, func() { away.Store(true) }), after(3500*time.Millisecond, func() { away.Store(false) })),
		proof: func(r reading) error {
			if err := atLeast("lookups in vain", r.count(errNoAnswer.Error()), 6); err != nil {
				return err
			}
			return atLeast("answered calls", r.OK, 40)
		},
	}
}

// multicastDNS asks the neighbourhood, which has nobody of that name (RFC 6762).
func multicastDNS(n *network) stage {
	s := buildStreet(n)
	client := stub{server: netip.AddrPortFrom(netip.MustParseAddr(streetFirst), 5353), network: "udp", wait: 50 * time.Millisecond, tries: 2}
	return stage{
		traffic: together(
			n.serveDatagrams(s.world, client.server, func([]byte) []byte { return nil }),
			inside(s.client, "lab-mdns", func(ctx context.Context, m *meter) error {
				pace(ctx, 5, 1500, func() {
					_, err := client.addresses("printer.local")
					m.attempt(err)
				})
				return nil
			})),
		proof: func(r reading) error { return atLeast("questions in vain", r.count(errNoAnswer.Error()), 20) },
	}
}
