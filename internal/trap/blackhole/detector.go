// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package blackhole knows the mtu-blackhole trap: small packets pass, large ones
// vanish, and no error comes back.
//
// The rule is RFC 8899's (section 4.3) as QUIC stacks apply it (quinn, s2n-quic):
// losses count in bursts; a burst is suspicious only if every packet lost in it is
// larger than the least MTU of any path and than every packet acknowledged more
// recently; several suspicious bursts in a row make a blackhole. For a TCP socket of
// Linux, a burst is the time-out that sends the segment at snd_una again. So the
// segment's size is held against the largest one that the path is known to have carried,
// two or three time-outs make a suspicion, and a suspicion is confirmed by proof that
// small packets went there and back meanwhile (SACKs of smaller segments, new data from
// the peer, another connection's handshake or progress) and by a resend after that proof
// that is lost. Without it a peer that died, or an outage that is over, would look the
// same. A size that was carried before is told where all of a flight is lost: the path
// is another one since.
//
// Where active probes are allowed, one is asked for on suspicion. It confirms where it
// measured that the path loses the size in question in silence and carries a smaller
// one; where it got that size through, nothing else confirms any more.
//
// Linux's own detector (tcp_mtu_probing=1) asks nothing about sizes and so is no
// model: any three time-outs make it shrink the MSS.
//
// Innocent, and silent: a tail-loss probe or a fast retransmit (no time-out), large
// segments that get through now and then (random loss, congestion, rate limits), a
// peer whose large packets arrived before and which is gone now, a closed window, a
// handshake that never finished, segments that the peer got twice (DSACK), a small
// segment that is lost, a path whose ICMP came in and was obeyed.
package blackhole

import (
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// The causes.
const (
	DropsLarge        finding.Cause = "path-drops-large-packets"
	DropsLargeInbound finding.Cause = "path-drops-large-packets-inbound"
	LinkDropsOversize finding.Cause = "link-drops-oversize"
	OverlayMismatch   finding.Cause = "overlay-mtu-mismatch"
)

// Bounds of the tables.
const (
	maxGroups = 1024
	maxLinks  = 256
	maxSpaces = 4096
	maxCounts = 8192
)

// Detector knows the trap.
type Detector struct {
	groups *flow.Table[flow.PathKey, *group]
	links  *flow.Table[linkKey, *link]
	spaces *flow.Table[event.Netns, event.Time] // when each was last swept for holes
	drops  *flow.Counts[dropKey]
}

// New gives a detector that has seen nothing.
func New() *Detector {
	return &Detector{
		groups: flow.NewTable[flow.PathKey, *group](maxGroups),
		links:  flow.NewTable[linkKey, *link](maxLinks),
		spaces: flow.NewTable[event.Netns, event.Time](maxSpaces),
		drops:  flow.NewCounts[dropKey](maxCounts),
	}
}

var _ trap.Detector = (*Detector)(nil)

// Trap implements trap.Detector.
func (*Detector) Trap() finding.Trap { return finding.MTUBlackhole }

// Needs implements trap.Detector.
func (*Detector) Needs() []trap.Need {
	return []trap.Need{
		{Sight: "retrans", Vital: true, Without: "stuck senders are not seen"},
		{Sight: "sweep", Without: "stuck receivers are not seen, and no proof that small packets pass"},
		{Sight: "drop", Without: "link-drops-oversize is not seen"},
		{Sight: "icmp", Without: "a path whose ICMP came in is not told apart"},
		{Sight: "tcp", Without: "the process behind a stuck connection is not known"},
	}
}

// Observe implements trap.Detector.
func (d *Detector) Observe(e event.Event, desk trap.Desk) {
	switch e := e.(type) {
	case *event.Retransmit:
		g := d.group(flow.PathKey{Netns: e.Netns, Peer: e.Connection.Peer.Addr()})
		g.unseen++
		g.last = e.Time
		d.work(g, e.Time, desk)
	case *event.Connections:
		d.observeConnections(e, desk)
	case *event.Path:
		if g, ok := d.groups.Get(flow.PathKey{Netns: e.Netns, Peer: e.Peer}); ok {
			g.judge(e.Time, desk)
		}
	case *event.PathProbe:
		if g, ok := d.groups.Get(flow.PathKey{Netns: e.Netns, Peer: e.Peer}); ok {
			g.probe = !e.UnderWay
			g.judge(e.Time, desk)
		}
	case *event.Drop:
		d.observeDrop(e, desk)
	case *event.Namespace:
		d.observeNamespace(e)
	}
}

func (d *Detector) group(key flow.PathKey) *group {
	g, ok := d.groups.Get(key)
	if !ok {
		g = &group{key: key}
	}
	d.groups.Put(key, g)
	return g
}

func (d *Detector) work(g *group, now event.Time, desk trap.Desk) {
	g.ask(now, desk)
	g.judge(now, desk)
}

// observeConnections begins a group for each hole, and judges the namespace's paths
// anew.
func (d *Detector) observeConnections(e *event.Connections, desk trap.Desk) {
	for h := range desk.Facts().Paths.Holes {
		key := flow.PathKey{Netns: h.Netns, Peer: h.Tuple.Peer.Addr()}
		path := desk.Facts().Paths.Path(key)
		if h.Netns == e.Netns && h.Ended == 0 && h.LastAt == e.Time && path != nil && !leftOver(path, h) {
			g := d.group(key)
			g.unseen++
			g.last = e.Time
		}
	}
	for g := range d.groups.All {
		if g.key.Netns == e.Netns {
			g.judge(e.Time, desk)
		}
	}
}

// Sweeps for holes: how often each namespace is swept, and how many are a tick. A
// sweep of a namespace in which nothing came in out of order reads one file.
const (
	holesEvery     = time.Second / 2
	holesPerTick   = 16
	groupIdleAfter = 2 * time.Minute
)

func (d *Detector) observeNamespace(e *event.Namespace) {
	if e.Gone {
		d.spaces.Drop(e.Netns)
		return
	}
	if _, known := d.spaces.Get(e.Netns); !known {
		d.spaces.Put(e.Netns, 0)
	}
}

// Tick implements trap.Detector.
func (d *Detector) Tick(now event.Time, desk trap.Desk) {
	var idle []flow.PathKey
	for g := range d.groups.All {
		d.work(g, now, desk)
		g.mend(now, desk)
		if now.Sub(g.last) >= groupIdleAfter && !g.open(desk) {
			idle = append(idle, g.key)
		}
	}
	for _, key := range idle {
		d.groups.Drop(key)
	}
	for l := range d.links.All {
		l.tick(now, desk)
	}
	d.sweep(now, desk)
}

// sweep wants the sweeps for holes that are due, those least lately swept first.
func (d *Detector) sweep(now event.Time, desk trap.Desk) {
	for _, id := range trap.TakeTurns(d.spaces, holesPerTick, holesEvery, now) {
		desk.Want(event.Want{Of: event.KindConnections, Netns: id})
	}
}

// Forget implements trap.Detector.
func (d *Detector) Forget(k trap.Key) {
	for g := range d.groups.All {
		if g.told == k {
			g.told = trap.Key{}
		}
	}
	for l := range d.links.All {
		if l.keyOf() == k {
			l.forget()
		}
	}
}
