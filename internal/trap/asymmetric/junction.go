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

// Bounds and periods of what is kept of default routes that nothing ranks.
const (
	maxJunctions = 1024
	maxFailures  = 256
	maxHeard     = 256
	// failureAge is how long an unanswered SYN counts.
	failureAge = time.Minute
	// uplinksEvery is how often each namespace's handshakes are asked for, uplinksPerTick
	// how many namespaces' a tick. One in which no SYN was sent again costs the reading
	// of one file.
	uplinksEvery   = time.Second
	uplinksPerTick = 8
	// uplinkQuiet is how long nothing must fail by a way before that closes a finding
	// that nobody mended: programs may wait for long before they try again.
	uplinkQuiet = time.Minute
)

// junction is one namespace's default routes of one rank, and how handshakes fared by
// each.
type junction struct {
	netns event.Netns
	last  event.Uplinks
	// failures are unanswered handshakes by their two ends, heard when each peer was last
	// heard by a way.
	failures *flow.Table[talkKey, *failure]
	heard    *flow.Table[peerWay, *hearing]
	asked    event.Time // when the routes were asked for, while a finding is open
}

// wayKey names a way for as long as its route stands.
type wayKey struct {
	gateway netip.Addr
	iface   string
	table   uint32
}

type peerWay struct {
	peer netip.AddrPort
	way  wayKey
}

// failure is one handshake that nobody answered.
type failure struct {
	way         wayKey
	since, last event.Time
	resent      uint8
	told        bool
	looks       int // how often it was seen, and of these how often the gateway was not there
	absent      int
}

// hearing is a peer that answered by a way.
type hearing struct {
	last  event.Time
	looks int // how often it had been heard anew
}

func newJunction(id event.Netns) *junction {
	return &junction{
		netns:    id,
		failures: flow.NewTable[talkKey, *failure](maxFailures),
		heard:    flow.NewTable[peerWay, *hearing](maxHeard),
	}
}

func keyOf(w *event.Way) wayKey { return wayKey{w.Gateway, w.Iface, w.Table} }

// take adds one look. A socket stays with the way that it was first seen on: it keeps
// its route, and the kernel may choose another for the next.
func (j *junction) take(e *event.Uplinks) {
	j.last = *e
	for i := range e.Handshakes {
		one := &e.Handshakes[i]
		if one.Way < 0 || one.Way >= len(e.Ways) {
			continue
		}
		way := &e.Ways[one.Way]
		if one.Answered {
			j.hear(peerWay{one.Peer, keyOf(way)}, e.Time-min(e.Time, event.Time(one.Ago)))
			continue
		}
		j.fail(one, way, e.Time)
	}
	j.age(e.Time)
}

func (j *junction) hear(key peerWay, at event.Time) {
	h, ok := j.heard.Get(key)
	if !ok {
		h = &hearing{}
	}
	// The time is read to the millisecond: what is as old as before is the same.
	if at > h.last+event.Time(10*time.Millisecond) {
		h.last = at
		h.looks++
	}
	j.heard.Put(key, h)
}

func (j *junction) fail(one *event.Handshake, way *event.Way, at event.Time) {
	key := talkKey{one.Local, one.Peer}
	f, ok := j.failures.Get(key)
	if !ok || at.Sub(f.last) > failureAge/2 {
		// A SYN is sent again after a second first (RFC 6298).
		f = &failure{way: keyOf(way), since: at - min(at, event.Time(time.Second))}
	}
	f.last, f.resent = at, one.Resent
	f.looks++
	if way.Absent() && f.way == keyOf(way) {
		f.absent++
	}
	j.failures.Put(key, f)
}

func (j *junction) age(now event.Time) {
	var old []talkKey
	for key, f := range j.failures.Entries {
		if now.Sub(f.last) > failureAge {
			old = append(old, key)
		}
	}
	for _, key := range old {
		j.failures.Drop(key)
	}
}

// way gives what was last told of a way, nil where it is not there any more.
func (j *junction) way(key wayKey) *event.Way {
	for i := range j.last.Ways {
		if keyOf(&j.last.Ways[i]) == key {
			return &j.last.Ways[i]
		}
	}
	return nil
}

func (d *Detector) takeUplinks(e *event.Uplinks, desk trap.Desk) {
	j, ok := d.junctions.Get(e.Netns)
	if !ok {
		j = newJunction(e.Netns)
	}
	d.junctions.Put(e.Netns, j)
	j.take(e)
	j.judge(desk)
	if reason, key, ok := j.recovered(desk); ok {
		desk.Mend(key, e.Time, reason)
	}
}

// subjectOf names a failing way's finding.
func subjectOf(way wayKey) string { return "default via " + way.gateway.String() + " dev " + way.iface }

func (j *junction) key(way wayKey) trap.Key {
	return trap.Key{Cause: DefaultRoutes, Netns: j.netns, Subject: subjectOf(way)}
}

// judge tells the desk of each way by which handshakes fail while a rival's do not.
func (j *junction) judge(desk trap.Desk) {
	for i := range j.last.Ways {
		way := keyOf(&j.last.Ways[i])
		v := j.weigh(way)
		if v.status == "" {
			continue
		}
		fresh := uint64(0)
		for _, f := range v.failures {
			if !f.told {
				f.told = true
				fresh++
			}
		}
		desk.See(trap.Sighting{
			Key: j.key(way), At: v.last, Since: v.since, New: fresh,
			Status: v.status, Severity: finding.High,
			Rests: []event.Kind{event.KindUplinks}, Quiet: uplinkQuiet,
		})
		if desk.Facts().Namespace(j.netns).Name.Path == "" {
			desk.Want(event.Want{Of: event.KindNamespace, Netns: j.netns})
		}
		if desk.Facts().Namespace(j.netns).Routing == nil {
			desk.Want(event.Want{Of: event.KindRouting, Netns: j.netns})
		}
	}
}

// tickJunctions wants the looks that are due, and those at the routes of open findings.
func (d *Detector) tickJunctions(now event.Time, desk trap.Desk) {
	for _, id := range trap.TakeTurns(d.spaces, uplinksPerTick, uplinksEvery, now) {
		desk.Want(event.Want{Of: event.KindUplinks, Netns: id})
	}
	for j := range d.junctions.All {
		j.tick(now, desk)
	}
}

// meet notes a namespace whose handshakes are to be asked for.
func (d *Detector) meet(id event.Netns) {
	if _, known := d.spaces.Get(id); !known && id != 0 {
		d.spaces.Put(id, 0)
	}
}

func (d *Detector) leave(id event.Netns) {
	d.spaces.Drop(id)
	d.junctions.Drop(id)
}
