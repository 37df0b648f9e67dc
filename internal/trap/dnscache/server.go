// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// A resolver is judged over the last window, in steps.
const (
	windowStep  = 3 * time.Second
	windowSteps = 10
	window      = windowStep * windowSteps
	// silentLeast is how many questions must have gone unanswered, or failed: a packet
	// lost here and there is no silent resolver.
	silentLeast = 3
	// silentShare is the share of them among all that are settled.
	silentShare = 0.5
	// backAfter is how many answers in a row mean that a resolver is back.
	backAfter = 2
	// maxFailed bounds the names that failed, which are told.
	maxFailed = 8
)

type serverKey struct {
	netns event.Netns
	addr  netip.Addr
}

// server is what one resolver did with what a namespace asked of it.
type server struct {
	key   serverKey
	port  uint16
	steps [windowSteps]tally
	at    event.Time // when the newest step began
	// back counts answers since the last question that went unanswered or failed.
	back     int
	lastGood event.Time
	// good is when the last answered questions were asked, a ring in which next is the
	// oldest.
	good    [goodKept]event.Time
	next    int
	failed  []string // names that failed within the matter under way
	run     run
	slowest time.Duration
}

// run is what went unanswered since the newest question that was answered was asked.
type run struct {
	questions int
	first     event.Time // when the first of them was asked
	name      string     // the first one's
	names     bool       // there are others
}

func (r *run) add(q *event.DNSQuery) {
	if r.questions == 0 {
		*r = run{first: q.Time, name: q.Name}
	}
	r.questions++
	r.first = min(r.first, q.Time)
	r.names = r.names || q.Name != r.name
}

// dead tells whether a resolver that was answering has stopped: several questions, about
// several names, and none that was asked since was answered.
func (r *run) dead() bool { return r.questions >= silentLeast && r.names }

// An outage is over, before it was noticed, where this many questions that were asked
// since were answered and fewer than half as many wait.
const (
	overAfter = 4
	goodKept  = 8
)

// tally counts one step of the window.
type tally struct{ asked, answered, unanswered, failed uint64 }

func (d *Detector) server(id event.Netns, at netip.AddrPort) *server {
	key := serverKey{id, at.Addr()}
	s, ok := d.servers.Get(key)
	if !ok {
		s = &server{key: key, port: at.Port()}
		d.servers.Put(key, s)
	}
	return s
}

// now gives the step that a moment belongs to, and clears what is older than the window.
func (s *server) now(at event.Time) *tally {
	if at.Sub(s.at) >= 2*window {
		s.steps, s.at = [windowSteps]tally{}, at
	}
	for at.Sub(s.at) >= windowStep {
		copy(s.steps[1:], s.steps[:windowSteps-1])
		s.steps[0] = tally{}
		s.at = s.at.Add(windowStep)
	}
	return &s.steps[0]
}

func (s *server) sum(at event.Time) tally {
	s.now(at)
	var sum tally
	for _, step := range s.steps {
		sum.asked += step.asked
		sum.answered += step.answered
		sum.unanswered += step.unanswered
		sum.failed += step.failed
	}
	return sum
}

func (s *server) ask(q *event.DNSQuery) { s.now(q.Time).asked++ }

// over tells whether the server has answered since a question that it left unanswered
// was asked: a short outage, or a packet that was lost. One that loses every second
// question has as many that wait.
func (d *Detector) over(s *server, since event.Time) bool {
	after, first := 0, event.Time(0)
	for _, asked := range s.good {
		if asked <= since {
			continue
		}
		after++
		if first == 0 || asked < first {
			first = asked
		}
	}
	return after >= overAfter && d.exchanges.Waiting(s.key.netns, s.key.addr, first) < after/2
}

// note counts a question that came to nothing.
func (s *server) note(name string) {
	s.back = 0
	if len(s.failed) < maxFailed && !slices.Contains(s.failed, name) {
		s.failed = append(s.failed, name)
	}
}

// unanswered takes an exchange that was given up.
func (d *Detector) unanswered(x *flow.Exchange, at event.Time, desk trap.Desk) {
	if x.Outrun() || x.Unsure {
		return
	}
	s := d.server(x.Query.Netns, x.Query.Server)
	s.now(at).unanswered++
	if x.Query.Time > slices.Max(s.good[:]) {
		s.run.add(&x.Query)
	}
	if d.over(s, x.Last) {
		return
	}
	s.note(x.Query.Name)
	d.judgeServer(s, x, at, desk)
}

// answered takes an exchange that ended, well or with a server's own error.
func (d *Detector) answered(x *flow.Exchange, a *event.DNSAnswer, desk trap.Desk) {
	s := d.server(x.Query.Netns, x.Query.Server) // where addresses are translated, not the one that it comes from
	step := s.now(a.Time)
	if x.Late && step.unanswered > 0 {
		step.unanswered--
	}
	s.slowest = max(s.slowest, a.Time.Sub(x.Query.Time))
	if a.RCode == "SERVFAIL" || a.RCode == "REFUSED" {
		step.failed++
		s.note(x.Query.Name)
		d.judgeServer(s, x, a.Time, desk)
		return
	}
	step.answered++
	s.good[s.next] = x.Query.Time
	s.next = (s.next + 1) % goodKept
	if x.Last >= s.run.first {
		s.run = run{}
	}
	s.back++
	s.lastGood = a.Time
}

// silent tells whether the window shows a resolver that does not do its work. Errors
// count only for several names: one may have a broken zone. One that did it until a
// moment ago has most of the window in its favour, so its last questions count by
// themselves.
func (s *server) silent(sum tally) bool {
	bad := sum.unanswered
	if len(s.failed) > 1 {
		bad += sum.failed
	}
	settled := sum.unanswered + sum.failed + sum.answered
	return bad >= silentLeast && float64(bad) >= silentShare*float64(settled) || s.run.dead()
}

func (d *Detector) judgeServer(s *server, x *flow.Exchange, at event.Time, desk trap.Desk) {
	sum := s.sum(at)
	if !s.silent(sum) || s.key.addr.IsLoopback() && d.upstreamSilent(s, at) {
		return
	}
	key := trap.Key{Cause: ResolverUnanswered, Netns: s.key.netns, Subject: s.key.addr.String()}
	known, ok := d.matters.Get(key)
	if !ok {
		known = &mute{base: base{key: key}, server: s}
		d.matters.Put(key, known)
	}
	m := known.(*mute)
	m.sum = sum
	m.others, m.silentToo = d.others(s, at)
	if m.total == 0 {
		m.take(at, sum.unanswered+sum.failed)
	} else {
		m.take(at, 1)
	}
	m.ask(x.Query.Owner, desk)
	m.judge(at, desk)
}

// upstreamSilent tells whether a server beyond this host is silent too: a stub on
// loopback cannot answer then, and it is the other that has to be mended. What the stub
// was asked, it asked a moment later: questions that still wait count.
func (d *Detector) upstreamSilent(stub *server, at event.Time) bool {
	for other := range d.servers.All {
		if other.key.netns != stub.key.netns || other.key.addr.IsLoopback() {
			continue
		}
		sum := other.sum(at)
		sum.unanswered += uint64(d.exchanges.Waiting(other.key.netns, other.key.addr, 0))
		if other.silent(sum) {
			return true
		}
	}
	return false
}

// others gives the resolvers that answered the same namespace within the window, and
// whether others were asked and are as silent.
func (d *Detector) others(s *server, at event.Time) (answering []netip.Addr, silent bool) {
	for other := range d.servers.All {
		if other == s || other.key.netns != s.key.netns {
			continue
		}
		sum := other.sum(at)
		switch {
		case sum.answered > 0 && len(answering) < maxFailed:
			answering = append(answering, other.key.addr)
		case other.silent(sum):
			silent = true
		}
	}
	return answering, silent
}

// mute is a resolver that does not answer.
type mute struct {
	base
	server    *server
	sum       tally
	others    []netip.Addr
	silentToo bool
}

func (m *mute) judge(now event.Time, desk trap.Desk) {
	if !m.ready(now) {
		return
	}
	v := verdict{status: finding.Suspected, severity: finding.High, rests: dnsKinds()}
	if len(m.others) > 0 {
		v.status, v.severity = finding.Confirmed, finding.Medium
	}
	m.see(desk, v)
}

func (m *mute) mended(_ event.Time, _ trap.Desk) (string, bool) {
	if m.server.back < backAfter || m.server.lastGood <= m.last {
		return "", false
	}
	return fmt.Sprintf("%s answers again", m.server.key.addr), true
}
