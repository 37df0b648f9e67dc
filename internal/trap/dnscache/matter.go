// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// matter is what is kept behind one finding.
type matter interface {
	common() *base
	// judge tells the desk what it was not told yet.
	judge(now event.Time, desk trap.Desk)
	// mended tells whether the condition was seen to be gone, and how.
	mended(now event.Time, desk trap.Desk) (string, bool)
	describe(w *writer)
}

// base is the part that all have.
type base struct {
	key     trap.Key
	owner   event.Owner // who was hit last
	first   event.Time
	last    event.Time
	total   uint64
	unseen  uint64 // not yet told to the desk
	waiting event.Time
	// resolver is how the process that was hit resolves, nil while that is not known.
	resolver *event.Resolver
	asked    uint32 // the process that was asked about
}

func (b *base) common() *base { return b }

// take counts n more occurrences.
func (b *base) take(at event.Time, n uint64) {
	if b.first == 0 {
		b.first = at
	}
	if b.unseen == 0 {
		b.waiting = at
	}
	b.last = max(b.last, at)
	b.total += n
	b.unseen += n
}

// ask wants the facts that the verdict's words need.
func (b *base) ask(owner event.Owner, desk trap.Desk) {
	if owner.PID != 0 {
		b.owner = owner
	}
	if desk.Facts().Namespace(b.key.Netns).Name.Path == "" {
		desk.Want(event.Want{Of: event.KindNamespace, Netns: b.key.Netns})
	}
	if b.resolver == nil {
		b.resolver = desk.Facts().Resolver(b.owner.PID)
	}
	if b.asked == b.owner.PID && b.asked != 0 {
		return
	}
	b.asked = b.owner.PID
	trap.WantOwner(desk, b.owner)
	if b.resolver == nil {
		desk.Want(event.Want{Of: event.KindResolver, Netns: b.key.Netns, PID: b.owner.PID})
	}
}

// learn takes an answer about the process that was hit, or about another one of the
// namespace while nothing better is known. It tells whether it was of use.
func (b *base) learn(e *event.Resolver, facts *flow.Facts) bool {
	if e.Netns != b.key.Netns {
		return false
	}
	own := e.PID == b.owner.PID && !e.Elsewhere
	if b.resolver != nil && !own {
		return false
	}
	b.resolver = facts.Resolver(e.PID)
	return true
}

// ready tells whether there is something to tell and nothing left to wait for.
func (b *base) ready(now event.Time) bool {
	return b.unseen > 0 && (b.resolver != nil || now.Sub(b.waiting) >= factsWait)
}

// verdict is how sure a matter is and how bad.
type verdict struct {
	status   finding.Status
	severity finding.Severity
	root     string
	rank     int
	rests    []event.Kind
	quiet    time.Duration
}

func (b *base) see(desk trap.Desk, v verdict) {
	desk.See(trap.Sighting{
		Key: b.key, At: b.last, New: b.unseen,
		Status: v.status, Severity: v.severity,
		Root: v.root, Rank: v.rank, Rests: v.rests, Quiet: v.quiet,
	})
	b.unseen = 0
}

// dnsKinds are what most causes rest on.
func dnsKinds() []event.Kind { return []event.Kind{event.KindDNSQuery, event.KindDNSAnswer} }

// Ranks among findings about one name: an application that is hit explains more than
// the disagreement behind it.
const (
	rankDisagree = 1
	rankStale    = 2
)

func rootOf(name string) string { return "name " + name }
