// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package asymmetric knows the asymmetric-routing trap: packets that come in where
// they should not, and are thrown away for it.
//
// The kernel drops a packet in strict reverse-path mode when the route back to its
// source leaves by another interface than it came in by (RFC 3704 section 2.2,
// fib_validate_source). It makes that lookup directly before the drop, on the same
// CPU, so the lookup kept with the drop names the interface that the kernel
// expected: nothing is guessed. A martian is different and said so: a source that
// is impossible wherever it comes in.
//
// A stateful firewall that sees one direction of a connection only calls what it sees
// invalid: the kernel's drops of such packets, and what its own connection tracking
// table has of the connection, tell that from the many packets that are invalid and
// harm nobody.
//
// Of default routes that nothing ranks, the one that loses what it is given is told by
// comparison with the other.
//
// Innocent: frames that were not for this host alone (broadcast, multicast, ARP),
// multicast sources, a single martian that strayed in.
package asymmetric

import (
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// The causes.
const (
	RPFilterStrict finding.Cause = "rp-filter-strict"
	MartianSource  finding.Cause = "martian-source"
	// FirewallInvalid is of TCP connections that a firewall knows one half of.
	FirewallInvalid finding.Cause = "stateful-firewall-invalid"
	// DefaultRoutes is of connections that fail by one of several default routes which
	// nothing ranks.
	DefaultRoutes finding.Cause = "multiple-default-routes"
)

// Bounds and periods.
const (
	maxGroups = 1024
	maxCounts = 16384
	maxSpaces = 4096
	// factsWait is how long a verdict waits for the host's answers: the record is
	// to be out within a second of the first drop.
	factsWait = 500 * time.Millisecond
	// recheckEvery is how often the setting behind an open finding is read again.
	recheckEvery = 2 * time.Second
	// mendedAfter is how long no drop must follow a mended setting.
	mendedAfter = 2 * time.Second
	// martianDrops is how many drops make a martian worth a word: fewer are
	// strays, and nothing that an operator could act on.
	martianDrops = 3
)

// Detector knows the trap.
type Detector struct {
	counts *flow.Counts[dropKey]
	groups *flow.Table[trap.Key, *group]
	halves *flow.Table[trap.Key, *half]
	// junctions are the namespaces with rival default routes; spaces when the handshakes
	// of each namespace were last asked for.
	junctions *flow.Table[event.Netns, *junction]
	spaces    *flow.Table[event.Netns, event.Time]
}

// dropKey is the kernel's key of a drop counter.
type dropKey struct {
	netns               event.Netns
	reason              string
	source, destination netip.Addr
	ifindex             uint32
}

// New gives a detector that has seen nothing.
func New() *Detector {
	return &Detector{
		counts: flow.NewCounts[dropKey](maxCounts),
		groups: flow.NewTable[trap.Key, *group](maxGroups),
		halves: flow.NewTable[trap.Key, *half](maxHalves),

		junctions: flow.NewTable[event.Netns, *junction](maxJunctions),
		spaces:    flow.NewTable[event.Netns, event.Time](maxSpaces),
	}
}

var _ trap.Detector = (*Detector)(nil)

// Trap implements trap.Detector.
func (*Detector) Trap() finding.Trap { return finding.AsymmetricRouting }

// Needs implements trap.Detector.
func (*Detector) Needs() []trap.Need {
	return []trap.Need{
		{Sight: "drop", Vital: true, Without: "no drop is seen, so no cause is",
			Reasons: []string{"IP_RPFILTER", "IP_LOCAL_SOURCE", "IP_INVALID_SOURCE", "IP_LOCALNET", byFirewall}},
		{Sight: "fib", Without: "the route back is asked from outside the kernel's own lookup: weaker evidence, and none of what a firewall drops for it"},
	}
}

// Observe implements trap.Detector.
func (d *Detector) Observe(e event.Event, desk trap.Desk) {
	switch e := e.(type) {
	case *event.Drop:
		d.observeDrop(e, desk)
	case *event.Routing:
		d.judgeNetns(e.Netns, e.Time, desk)
	case *event.RouteBack:
		d.takeRouteBack(e, desk)
	case *event.Firewall:
		d.takeFirewall(e, desk)
	case *event.Uplinks:
		d.takeUplinks(e, desk)
	case *event.Namespace:
		if e.Gone {
			d.leave(e.Netns)
			return
		}
		d.meet(e.Netns)
	case *event.PortPressure:
		d.meet(e.Netns)
	}
}

func (d *Detector) observeDrop(e *event.Drop, desk trap.Desk) {
	if e.Reason == byFirewall && !strayed(e) && !d.knowsStray(e) {
		d.observeHalf(e, desk)
		return
	}
	cause, ok := classify(e)
	if !ok {
		return
	}
	key := dropKey{e.Netns, e.Reason, e.Packet.Source.Addr(), e.Packet.Destination.Addr(), e.Ifindex}
	if !e.Packet.Source.IsValid() {
		d.countOverflow(key, e, desk)
		return
	}
	// A bare count tells nothing of the frame: it counts for a key whose packet was
	// seen and is no innocent. One that was not seen yet is sampled again soon.
	if !e.Sampled && !d.counts.Known(key) || e.Sampled && innocent(e, desk.Facts()) {
		return
	}
	fresh := d.counts.Advance(key, e.Count, e.Time)
	if fresh == 0 {
		return
	}
	g := d.group(trap.Key{Cause: cause, Netns: e.Netns, Subject: subject(cause, e)}, e)
	g.take(e, fresh)
	g.ask(e.Time, desk)
	g.judge(e.Time, desk)
}

// countOverflow adds drops that the kernel had no row left to tell apart to the
// oldest group of their namespace and reason, so that the total stays exact.
func (d *Detector) countOverflow(key dropKey, e *event.Drop, desk trap.Desk) {
	for g := range d.groups.All {
		if g.key.Netns == e.Netns && g.first.Reason == e.Reason {
			g.count(e.Time, d.counts.Advance(key, e.Count, e.Time))
			g.judge(e.Time, desk)
			return
		}
	}
}

func (d *Detector) group(key trap.Key, e *event.Drop) *group {
	g, ok := d.groups.Get(key)
	if !ok {
		g = newGroup(key, e)
	}
	d.groups.Put(key, g)
	return g
}

func (d *Detector) judgeNetns(id event.Netns, now event.Time, desk trap.Desk) {
	for g := range d.groups.All {
		if g.key.Netns == id {
			g.judge(now, desk)
		}
	}
}

func (d *Detector) takeRouteBack(e *event.RouteBack, desk trap.Desk) {
	for g := range d.groups.All {
		if g.key.Netns == e.Netns && g.first.Packet.Source.Addr() == e.To {
			kept := *e
			g.back = &kept
			g.judge(e.Time, desk)
		}
	}
	for h := range d.halves.All {
		if h.key.Netns == e.Netns && h.first.Packet.Source.Addr() == e.To {
			kept := *e
			h.back = &kept
		}
	}
}

// Tick implements trap.Detector.
func (d *Detector) Tick(now event.Time, desk trap.Desk) {
	d.tickJunctions(now, desk)
	for g := range d.groups.All {
		g.judge(now, desk)
		if !desk.Open(g.key) {
			continue
		}
		if now.Sub(g.asked) >= recheckEvery {
			g.asked = 0
			g.ask(now, desk)
		}
		if reason, ok := g.mended(now, desk.Facts()); ok {
			desk.Mend(g.key, now, reason)
			return // the table changed: the others wait for the next tick
		}
	}
	d.tickHalves(now, desk)
}

// Forget implements trap.Detector.
func (d *Detector) Forget(k trap.Key) {
	d.groups.Drop(k)
	d.halves.Drop(k)
}
