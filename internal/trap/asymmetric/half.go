// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Bounds of what is kept of half connections.
const (
	maxHalves = 256
	maxTalks  = 64
	maxPairs  = 8
	// halfRecheck is how often the connection tracking table is asked again.
	halfRecheck = time.Second
)

// half is what was seen of connections that a firewall knows one direction of only,
// or none of: by the interface that their dropped packets came in by.
type half struct {
	key    trap.Key
	first  event.Drop
	last   event.Time
	drops  uint64
	unseen uint64
	told   finding.Status
	rate   flow.Rate
	asked  event.Time
	back   *event.RouteBack
	pairs  *flow.Table[pair, *event.Firewall]
	talks  *flow.Table[talkKey, *talk]
	// fresh is when a connection of one of the pairs was first tracked that was not
	// before; known are those that were.
	fresh event.Time
	known *flow.Table[talkKey, struct{}]
}

// pair are the addresses of a dropped packet.
type pair struct{ source, destination netip.Addr }

// talkKey are the ends of one connection.
type talkKey struct{ source, destination netip.AddrPort }

// talk is one connection whose packets were dropped again and again.
type talk struct {
	key talkKey
	// answers is true for SYN-ACKs: they answer a SYN that the firewall never saw.
	answers     bool
	since, last event.Time
	times       uint32
}

func newHalf(key trap.Key, e *event.Drop) *half {
	return &half{
		key: key, first: *e,
		pairs: flow.NewTable[pair, *event.Firewall](maxPairs),
		talks: flow.NewTable[talkKey, *talk](maxTalks),
		known: flow.NewTable[talkKey, struct{}](event.TrackedRows),
	}
}

func (h *half) take(e *event.Drop, fresh uint64) {
	h.last = max(h.last, e.Time)
	h.drops += fresh
	h.unseen += fresh
	h.rate.Add(e.Time, float64(h.drops))
	if !e.Sampled {
		return
	}
	at := pair{e.Packet.Source.Addr(), e.Packet.Destination.Addr()}
	if _, ok := h.pairs.Get(at); !ok {
		h.pairs.Put(at, nil)
		h.asked = 0
	}
	key := talkKey{e.Packet.Source, e.Packet.Destination}
	t, ok := h.talks.Get(key)
	if !ok {
		t = &talk{key: key}
	}
	t.answers = e.Packet.TCPFlags&event.TCPSyn != 0
	t.since, t.last, t.times = e.Since, e.Time, e.Times
	h.talks.Put(key, t)
}

// ask wants what the firewall is, and what it knows of the pairs; and once more after
// a while, since what it knows changes.
func (h *half) ask(now event.Time, desk trap.Desk) {
	if h.asked != 0 && now.Sub(h.asked) < halfRecheck {
		return
	}
	if h.asked == 0 {
		if desk.Facts().Namespace(h.key.Netns).Name.Path == "" {
			desk.Want(event.Want{Of: event.KindNamespace, Netns: h.key.Netns})
		}
		desk.Want(event.Want{Of: event.KindRouting, Netns: h.key.Netns})
		p := h.first.Packet
		desk.Want(event.Want{Of: event.KindRouteBack, Netns: h.key.Netns, To: p.Source.Addr(), From: p.Destination.Addr()})
	}
	h.asked = now
	for at := range h.pairs.Entries {
		desk.Want(event.Want{Of: event.KindFirewall, Netns: h.key.Netns, From: at.source, To: at.destination})
	}
}

// learn takes an answer, where it is to one of this half's questions.
func (h *half) learn(e *event.Firewall) bool {
	at := pair{e.From, e.To}
	last, ok := h.pairs.Get(at)
	if !ok {
		return false
	}
	kept := *e
	h.pairs.Put(at, &kept)
	for _, row := range e.Tracked {
		key := talkKey{row.Source, row.Destination}
		if _, ok := h.known.Get(key); !ok && last != nil {
			h.fresh = e.Time
		}
		h.known.Put(key, struct{}{})
	}
	return true
}

// judge tells the desk once the firewall's own view is in.
func (h *half) judge(desk trap.Desk) {
	v := h.weigh()
	if v.status == "" || h.unseen == 0 && (v.status == h.told || h.told == finding.Confirmed) {
		return
	}
	h.told = v.status
	severity := finding.Medium
	if v.status == finding.Confirmed {
		severity = finding.High
	}
	desk.See(trap.Sighting{
		Key:      h.key,
		At:       h.last,
		Since:    h.first.Since,
		New:      h.unseen,
		Status:   v.status,
		Severity: severity,
		Rests:    []event.Kind{event.KindDrop},
	})
	h.unseen = 0
}

// mended tells whether connections have gone through since the last drop: ones that
// the firewall did not know then are tracked now, and nothing was dropped for a while
// although each of them would have been.
func (h *half) mended(now event.Time) (string, bool) {
	if now.Sub(h.last) < halfMended {
		return "", false
	}
	for at, known := range h.pairs.Entries {
		if known == nil || known.Time <= h.last {
			continue
		}
		for i := range known.Tracked {
			if row := &known.Tracked[i]; row.Replied && row.State == "ESTABLISHED" {
				return "connections between " + at.source.String() + " and " + at.destination.String() + " are tracked in both directions now", true
			}
		}
	}
	if h.fresh > h.last && now.Sub(h.fresh) >= halfMended {
		return "new connections have come by since, and nothing was dropped", true
	}
	return "", false
}

// halfMended is how long no drop must follow: a connection that is cut in half has a
// segment dropped again after one second at the latest.
const halfMended = 3 * time.Second
