// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package timewait knows the time-wait-exhaustion trap: no port is left to call
// from.
//
// A TIME_WAIT count is no problem in itself. A connection needs a local port that
// is free for its (source, destination, port), so everything here is counted per
// such lane, against the range that the namespace's callers may use. What counts
// as taken are live sockets, and TIME_WAITs unless tcp_tw_reuse lets connect() take
// them over (tcp_twsk_unique: outgoing, timestamps on, older than a second).
//
// A failed connect() or bind() is the kernel's own word that no port was found; the
// walk of the namespace's sockets then says who holds them. A forecast needs both:
// growth that reaches the end of the range within a minute, and a rate of closes
// that TIME_WAITs, which end after 60 s (TCP_TIMEWAIT_LEN), do not level out below
// the range.
//
// Innocent: a listener's own TIME_WAITs, refused connects, live connections with
// room to spare, bind() to a busy port, an address that is not on the host.
package timewait

import (
	"net/netip"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// The causes.
const (
	Exhausted   finding.Cause = "ephemeral-ports-exhausted"
	RunningOut  finding.Cause = "ephemeral-ports-running-out"
	BindPool    finding.Cause = "bind-pool-exhausted"
	HeldByLive  finding.Cause = "ports-held-by-live-connections"
	BucketsFull finding.Cause = "time-wait-bucket-overflow"
)

// Bounds of the tables.
const (
	maxLanes  = 4096
	maxSpaces = 4096
	maxCounts = 8192
)

// Detector knows the trap.
type Detector struct {
	failures *flow.Counts[failKey]
	lanes    *flow.Table[laneKey, *lane]
	spaces   *flow.Table[event.Netns, *space]
}

// laneKey is what a local port must be free for. A bind() has no destination: its
// lane is the source address alone.
type laneKey struct {
	netns       event.Netns
	source      netip.Addr
	destination netip.AddrPort
}

type failKey struct {
	lane laneKey
	op   event.PortOp
}

// New gives a detector that has seen nothing.
func New() *Detector {
	return &Detector{
		failures: flow.NewCounts[failKey](maxCounts),
		lanes:    flow.NewTable[laneKey, *lane](maxLanes),
		spaces:   flow.NewTable[event.Netns, *space](maxSpaces),
	}
}

var _ trap.Detector = (*Detector)(nil)

// Trap implements trap.Detector.
func (*Detector) Trap() finding.Trap { return finding.TimeWaitExhaustion }

// Needs implements trap.Detector.
func (*Detector) Needs() []trap.Need {
	return []trap.Need{
		{Sight: "tcp", Vital: true, Without: "failed connects and the pressure towards a destination are not seen"},
		{Sight: "timewait", Without: "who holds the ports is not known: no forecast, and causes are not told apart"},
		{Sight: "bind", Without: "bind-pool-exhausted is not seen"},
	}
}

// Observe implements trap.Detector.
func (d *Detector) Observe(e event.Event, desk trap.Desk) {
	switch e := e.(type) {
	case *event.PortFailure:
		d.observeFailure(e, desk)
	case *event.PortPressure:
		d.observePressure(e, desk)
	case *event.PortUse:
		d.observeUse(e, desk)
	case *event.PortSettings:
		d.judgeNetns(e.Netns, e.Time, desk)
	case *event.Namespace:
		d.observeNamespace(e)
	}
}

func (d *Detector) observeFailure(e *event.PortFailure, desk trap.Desk) {
	key := laneKey{e.Netns, e.Source, e.Destination}
	fresh := d.failures.Advance(failKey{key, e.Op}, e.Count, e.Time)
	if fresh == 0 {
		return
	}
	l := d.lane(key)
	l.fail(e, fresh)
	trap.WantOwner(desk, e.Owner)
	s := d.space(e.Netns)
	if l.cause == "" {
		s.askNow(e.Time, desk)
	} else {
		s.ask(e.Time, desk)
	}
	l.judge(e.Time, desk)
}

func (d *Detector) observePressure(e *event.PortPressure, desk trap.Desk) {
	l := d.lane(laneKey{e.Netns, e.Source, e.Destination})
	l.press(e)
	s := d.space(e.Netns)
	if s.pressed(l, desk.Facts()) {
		s.ask(e.Time, desk)
	}
}

func (d *Detector) observeUse(e *event.PortUse, desk trap.Desk) {
	s := d.space(e.Netns)
	s.overflow(e, desk)
	for _, row := range e.Rows {
		d.lane(laneKey{e.Netns, row.Source, row.Destination}).use(e.Time, row)
	}
	d.judgeNetns(e.Netns, e.Time, desk)
}

// observeNamespace begins or ends the regular walks of a namespace.
func (d *Detector) observeNamespace(e *event.Namespace) {
	if e.Gone {
		d.spaces.Drop(e.Netns)
		return
	}
	d.space(e.Netns)
}

func (d *Detector) judgeNetns(id event.Netns, now event.Time, desk trap.Desk) {
	for l := range d.lanes.All {
		if l.key.netns != id {
			continue
		}
		l.judge(now, desk)
		if l.forecast(now, desk) {
			d.space(id).pressure = now
		}
	}
}

// Tick implements trap.Detector.
func (d *Detector) Tick(now event.Time, desk trap.Desk) {
	for l := range d.lanes.All {
		l.judge(now, desk)
		l.mend(now, desk)
	}
	d.walk(now, desk)
}

// walk wants the walks that are due.
func (d *Detector) walk(now event.Time, desk trap.Desk) {
	resting := 0
	for s := range d.spaces.All {
		due, atRest := s.due(now)
		if !due || atRest && resting == restWalks {
			continue
		}
		if atRest {
			resting++
		}
		s.want(now, desk)
	}
}

func (d *Detector) lane(key laneKey) *lane {
	l, ok := d.lanes.Get(key)
	if !ok {
		l = &lane{key: key}
	}
	d.lanes.Put(key, l)
	return l
}

func (d *Detector) space(id event.Netns) *space {
	s, ok := d.spaces.Get(id)
	if !ok {
		s = &space{netns: id}
		d.spaces.Put(id, s)
	}
	return s
}

// Forget implements trap.Detector. Lanes outlive their findings: what they counted
// is what tells a new failure from an old one.
func (d *Detector) Forget(trap.Key) {}
