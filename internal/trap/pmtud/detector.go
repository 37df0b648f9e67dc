// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package pmtud knows the pmtud-failure trap: the signal that should have mended a
// too-large packet was lost, and we saw where.
//
// Path MTU discovery (RFC 1191, RFC 8201) needs one ICMP error to go from the router
// that cannot pass a packet on to the packet's sender, and to be believed there. This
// host may be either end or the middle of that way. In the middle, the drop of the
// packet, the error about it and the firewall's drop of that error are three events
// with the same quoted addresses. At the end, an error that came in and resends that
// stay as large as before are two.
//
// A sender is told once and shrinks: a drop with an error that left is health, and so
// is one resend. The errors themselves are not rate-limited by Linux
// (icmpv4_mask_allow, icmpv6_mask_allow), so that one that was not sent had no way
// back, or something forbade it.
//
// Innocent, and silent: an error that was obeyed, a limit on the rate of errors that lets
// the first of a flight pass, one drop before its error is seen,
// an error that only passes through, drops of a host's own packets.
package pmtud

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
	DroppedInbound  finding.Cause = "icmp-dropped-inbound"
	DroppedOutbound finding.Cause = "icmp-dropped-outbound"
	NotSent         finding.Cause = "icmp-not-sent"
	Ignored         finding.Cause = "icmp-ignored"
	BogusMTU        finding.Cause = "icmp-bogus-mtu"
)

// Bounds of the tables.
const (
	maxGroups = 1024
	maxWays   = 4096
	maxCounts = 8192
)

// Ranks: where the signal was lost explains more than any black hole does.
const (
	rankEnd    = 10
	rankMiddle = 11
)

// Detector knows the trap.
type Detector struct {
	groups *flow.Table[flow.PathKey, *group]
	ways   *flow.Table[wayKey, *way]
	drops  *flow.Counts[dropKey]
	errors *flow.Counts[errorKey]
	// told are the families whose errors this host can be seen to send.
	told map[string]bool
}

type dropKey struct {
	netns               event.Netns
	reason              string
	source, destination netip.Addr
	ifindex             uint32
}

type errorKey struct {
	way wayKey
	how event.TooBigWay
	mtu uint32
}

// New gives a detector that has seen nothing.
func New() *Detector {
	return &Detector{
		groups: flow.NewTable[flow.PathKey, *group](maxGroups),
		ways:   flow.NewTable[wayKey, *way](maxWays),
		drops:  flow.NewCounts[dropKey](maxCounts),
		errors: flow.NewCounts[errorKey](maxCounts),
		told:   map[string]bool{},
	}
}

var _ trap.Detector = (*Detector)(nil)

// Trap implements trap.Detector.
func (*Detector) Trap() finding.Trap { return finding.PMTUDFailure }

// Needs implements trap.Detector.
func (*Detector) Needs() []trap.Need {
	return []trap.Need{
		{Sight: "drop", Without: "only icmp-ignored and icmp-bogus-mtu are seen: no firewall's drop of an ICMP error, no drop of a router's",
			Reasons: []string{"NETFILTER_DROP", "PKT_TOO_BIG"}},
		{Sight: "icmp", Without: "icmp-ignored and icmp-bogus-mtu are not seen"},
		{Sight: "icmp-sent", Without: "icmp-not-sent is not seen"},
		{Sight: "retrans", Without: "icmp-ignored is not seen"},
		{Sight: "sweep", Without: "that data flows again is seen late"},
		{Sight: "refusal", Without: "which programs were told EMSGSIZE is not known"},
	}
}

// Observe implements trap.Detector.
func (d *Detector) Observe(e event.Event, desk trap.Desk) {
	switch e := e.(type) {
	case *event.TooBig:
		d.observeTooBig(e, desk)
	case *event.Drop:
		d.observeDrop(e, desk)
	case *event.Retransmit:
		if g, ok := d.groups.Get(flow.PathKey{Netns: e.Netns, Peer: e.Connection.Peer.Addr()}); ok {
			g.resent++
			g.last = e.Time
			g.judge(e.Time, desk)
		}
	case *event.Path:
		if g, ok := d.groups.Get(flow.PathKey{Netns: e.Netns, Peer: e.Peer}); ok {
			g.take(e)
			g.judge(e.Time, desk)
		}
	case *event.Routing:
		for g := range d.groups.All {
			if g.key.Netns == e.Netns {
				g.judge(e.Time, desk)
			}
		}
	case *event.RouteBack:
		for w := range d.ways.All {
			if w.key.netns == e.Netns && w.key.source == e.To {
				kept := *e
				w.back = &kept
			}
		}
	case *event.Hook:
		d.told[e.Name] = e.Rung != ""
	}
}

func (d *Detector) observeTooBig(e *event.TooBig, desk trap.Desk) {
	if !e.Inner.Destination.IsValid() {
		return
	}
	if e.Received() {
		g := d.group(flow.PathKey{Netns: e.Netns, Peer: e.Inner.Destination.Addr()}, e.Time)
		g.errors++
		g.nag(e)
		g.work(e.Time, desk)
		return
	}
	key := wayOf(e.Netns, &e.Inner)
	fresh := d.errors.Advance(errorKey{key, e.Way, e.MTU}, e.Count, e.Time)
	w := d.way(key)
	if e.Way == event.TooBigAsked {
		w.wanted += fresh
	} else {
		w.sent += fresh
	}
	w.sentAt = e.Time
	w.quoted = e.Inner
	w.mtu = e.MTU
}

func (d *Detector) observeDrop(e *event.Drop, desk trap.Desk) {
	switch {
	case e.Reason == "NETFILTER_DROP" && flow.TellsTooBig(&e.Packet) && e.Inner.Destination.IsValid():
		d.observeKill(e, desk)
	case e.Sampled && tooBig(e):
		w := d.way(wayOf(e.Netns, &e.Packet))
		w.drop(e, d.advance(e))
		w.work(e.Time, d, desk)
	}
}

func (d *Detector) advance(e *event.Drop) uint64 {
	return d.drops.Advance(dropKey{e.Netns, e.Reason, e.Packet.Source.Addr(), e.Packet.Destination.Addr(), e.Ifindex}, e.Count, e.Time)
}

// observeKill sorts a firewall's drop of an error: of one that this host made itself,
// on its way out, or of one that came in.
func (d *Detector) observeKill(e *event.Drop, desk trap.Desk) {
	fresh := d.advance(e)
	w := d.way(wayOf(e.Netns, &e.Inner))
	w.kill(e, fresh)
	if w.made() {
		w.work(e.Time, d, desk)
		return
	}
	g := d.group(flow.PathKey{Netns: e.Netns, Peer: e.Inner.Destination.Addr()}, e.Time)
	g.kills += fresh
	g.killedAt = e.Time
	g.killed.add(e.Time)
	g.work(e.Time, desk)
}

// tooBig tells whether a packet that was to be forwarded did not fit where its route
// led. Kernels before 5.18 give no reason for it, but the same function drops it.
// Where functions have no names, a forwarded packet of IPv4 still stands on the device
// that it came in by; one of IPv6 does not (ip6_forward), but has its frame's header.
func tooBig(e *event.Drop) bool {
	if e.OutMTU == 0 || e.Packet.Length <= e.OutMTU {
		return false
	}
	if e.Symbol == "ip_forward" || e.Symbol == "ip6_forward" {
		return true
	}
	return e.Reason == "PKT_TOO_BIG" && e.Symbol == "" && (e.Ifindex != e.OutIfindex || !e.SourceMAC.IsZero())
}

// disown leaves dropped errors that this host turned out to have made itself to the
// way that they are about: the packet's own drop follows the error's.
func (d *Detector) disown(g *group, desk trap.Desk) {
	path := desk.Facts().Paths.Path(g.key)
	if g.killedAt == 0 || path == nil {
		return
	}
	if w, ok := d.ways.Get(wayOf(g.key.Netns, &path.Killed.Inner)); ok && w.made() {
		g.killedAt, g.kills, g.killed = 0, 0, burst{}
	}
}

func (d *Detector) group(key flow.PathKey, now event.Time) *group {
	g, ok := d.groups.Get(key)
	if !ok {
		g = &group{key: key, began: now}
	}
	g.last = now
	d.groups.Put(key, g)
	return g
}

func (d *Detector) way(key wayKey) *way {
	w, ok := d.ways.Get(key)
	if !ok {
		w = &way{key: key}
	}
	d.ways.Put(key, w)
	return w
}

// idleAfter is after how long without a sign a path or way is forgotten.
const idleAfter = 5 * time.Minute

// Tick implements trap.Detector.
func (d *Detector) Tick(now event.Time, desk trap.Desk) {
	var idle []flow.PathKey
	for g := range d.groups.All {
		d.disown(g, desk)
		g.work(now, desk)
		g.mend(now, desk)
		if now.Sub(g.last) > idleAfter && !g.open(desk) {
			idle = append(idle, g.key)
		}
	}
	for _, key := range idle {
		d.groups.Drop(key)
	}
	for w := range d.ways.All {
		w.work(now, d, desk)
		w.mend(now, desk)
	}
}

// Forget implements trap.Detector.
func (d *Detector) Forget(k trap.Key) {
	for g := range d.groups.All {
		if g.told == k {
			*g = group{key: g.key, last: g.last, began: g.last}
		}
	}
	for w := range d.ways.All {
		if w.told == k {
			*w = way{key: w.key}
		}
	}
}
