// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package dnscache knows the dns-caching trap: the name says one thing, and the
// machine does another.
//
// Questions and answers are joined, and what each resolver said of each name is kept.
// Six causes are told from that: an address that is dialled although its name lost it,
// resolvers that contradict each other, a denial that outlives the record's coming, a
// search list that multiplies every lookup, answers that hold for a day, and a resolver
// that says nothing.
//
// Only stubs' questions count (RD set): a recursive resolver's own walk from the root
// meets silent servers, long TTLs and disagreement by its nature.
//
// Innocent: answers that go round (pools, CDNs), resolvers that are meant to differ
// (split horizon), an AAAA that does not exist beside an A that does, a search list that
// hits with its first suffix, connections that were made before, and mDNS, which is not
// at port 53.
package dnscache

import (
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// The causes.
const (
	StaleAnswer        finding.Cause = "stale-answer"
	ResolversDisagree  finding.Cause = "resolvers-disagree"
	NdotsExpansion     finding.Cause = "ndots-expansion"
	TTLTooLong         finding.Cause = "ttl-too-long"
	NegativeCached     finding.Cause = "negative-cached"
	ResolverUnanswered finding.Cause = "resolver-unanswered"
)

// Bounds and periods.
const (
	maxMatters = 2048
	maxAskers  = 4096
	maxServers = 1024
	maxDials   = 8192
	// factsWait is how long a verdict waits for the host's answers: the record is to be
	// out within a second of the deciding packet.
	factsWait = 400 * time.Millisecond
	// answerWait is how long a question waits for its answer before it counts as
	// unanswered: longer than a recursion over several far servers takes, shorter than
	// the 5 s after which glibc and Go give up.
	answerWait = 3 * time.Second
	// gaveUpAfter: who asks the same again after so long has not had an answer.
	gaveUpAfter = time.Second
)

// Detector knows the trap.
type Detector struct {
	exchanges *flow.Exchanges
	names     *flow.Names
	dials     *flow.Counts[dialKey]
	askers    *flow.Table[askerKey, *asker]
	servers   *flow.Table[serverKey, *server]
	matters   *flow.Table[trap.Key, matter]
}

// New gives a detector that has seen nothing.
func New() *Detector {
	return &Detector{
		exchanges: flow.NewExchanges(),
		names:     flow.NewNames(),
		dials:     flow.NewCounts[dialKey](maxDials),
		askers:    flow.NewTable[askerKey, *asker](maxAskers),
		servers:   flow.NewTable[serverKey, *server](maxServers),
		matters:   flow.NewTable[trap.Key, matter](maxMatters),
	}
}

var _ trap.Detector = (*Detector)(nil)

// Trap implements trap.Detector.
func (*Detector) Trap() finding.Trap { return finding.DNSCaching }

// Needs implements trap.Detector.
func (*Detector) Needs() []trap.Need {
	return []trap.Need{
		{Sight: "dns", Vital: true, Without: "no question and no answer is seen (DNS over TLS or HTTPS never is)"},
		{Sight: "dial", Without: "stale-answer is not seen: who connects to an old address is not known"},
		{Sight: "tcp", Without: "who asks over TCP is not known"},
	}
}

// Never implements trap.Limited.
func (*Detector) Never() []string {
	return []string{
		"DNS over TLS, HTTPS or QUIC: what is asked there is encrypted before it leaves the program",
		"questions that a NAT rule of the same namespace leads to another port, as those to Docker's 127.0.0.11: they are seen behind the rule",
	}
}

// Observe implements trap.Detector.
func (d *Detector) Observe(e event.Event, desk trap.Desk) {
	switch e := e.(type) {
	case *event.DNSQuery:
		d.hearQuery(e, desk)
	case *event.DNSAnswer:
		d.hearAnswer(e, desk)
	case *event.Dial:
		d.hearDial(e, desk)
	case *event.Resolver:
		d.hearResolver(e, desk)
	case *event.Loss:
		if e.Of == event.KindDNSAnswer && e.Stage != "decode" { // what cannot be read is no answer
			d.exchanges.Doubt()
		}
	}
}

// hearResolver hands the facts to whom they are about and lets these judge.
func (d *Detector) hearResolver(e *event.Resolver, desk trap.Desk) {
	for _, m := range d.all() {
		if m.common().learn(e, desk.Facts()) {
			m.judge(e.Time, desk)
		}
	}
}

// all gives the matters as they are now: a verdict may close others.
func (d *Detector) all() []matter {
	list := make([]matter, 0, d.matters.Len())
	for m := range d.matters.All {
		list = append(list, m)
	}
	return list
}

// Tick implements trap.Detector.
func (d *Detector) Tick(now event.Time, desk trap.Desk) {
	d.exchanges.Overdue(now, answerWait, func(x *flow.Exchange) { d.unanswered(x, now, desk) })
	for _, m := range d.all() {
		m.judge(now, desk)
		if reason, ok := m.mended(now, desk); ok {
			desk.Mend(m.common().key, now, reason)
		}
	}
}

// Describe implements trap.Detector.
func (d *Detector) Describe(k trap.Key, facts *flow.Facts, f *finding.Finding) {
	m, ok := d.matters.Get(k)
	if !ok {
		return
	}
	w := newWriter(m.common(), facts, f)
	m.describe(w)
	w.finish()
}

// Forget implements trap.Detector.
func (d *Detector) Forget(k trap.Key) { d.matters.Drop(k) }
