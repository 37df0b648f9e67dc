// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package timewait

import (
	"fmt"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// How often a namespace's sockets are walked.
const (
	walkUnderPressure = time.Second
	walkUrgent        = 100 * time.Millisecond
	walkAtRest        = 30 * time.Second
	// pressureLasts is for how long after the last sign of pressure the walks go
	// on every second: long enough to see TIME_WAITs end.
	pressureLasts = 10 * time.Second
	// restWalks is how many namespaces at rest are walked per tick, so that on a
	// host with hundreds of them a pressing walk never waits behind all.
	restWalks = 8
)

// timeWaitLasts is TCP_TIMEWAIT_LEN (include/net/tcp.h).
const timeWaitLasts = 60 * time.Second

// pressedShare is the share of the range that a lane's last minute of connects
// must make before its namespace is walked every second.
const pressedShare = 0.1

// defaultSize is the size of Linux's default range, 32768 to 60999, used until the
// namespace's own is known.
const defaultSize = 28232

// space is one namespace's rhythm of walks and its TIME_WAIT overflows.
type space struct {
	netns     event.Netns
	asked     event.Time
	pressure  event.Time
	overflows uint64
	counted   bool
	refused   uint64
	overflown event.Time // when the counter last grew
	limit     uint32     // what it was when the finding opened
}

// ask wants a walk and the settings, at most once a second.
func (s *space) ask(now event.Time, desk trap.Desk) {
	s.pressure = max(s.pressure, now)
	if s.asked != 0 && now.Sub(s.asked) < walkUnderPressure {
		return
	}
	s.want(now, desk)
}

// askNow wants a walk for a failure that has no explanation yet.
func (s *space) askNow(now event.Time, desk trap.Desk) {
	s.pressure = max(s.pressure, now)
	if s.asked == 0 || now.Sub(s.asked) >= walkUrgent {
		s.want(now, desk)
	}
}

func (s *space) want(now event.Time, desk trap.Desk) {
	s.asked = now
	if desk.Facts().Namespace(s.netns).Name.Path == "" {
		desk.Want(event.Want{Of: event.KindNamespace, Netns: s.netns})
	}
	desk.Want(event.Want{Of: event.KindPortSettings, Netns: s.netns})
	desk.Want(event.Want{Of: event.KindPortUse, Netns: s.netns})
}

// due tells whether a walk is, and whether it is one that nothing presses for.
func (s *space) due(now event.Time) (due, atRest bool) {
	if s.pressure != 0 && now.Sub(s.pressure) < pressureLasts {
		return now.Sub(s.asked) >= walkUnderPressure, false
	}
	return s.asked == 0 || now.Sub(s.asked) >= walkAtRest, true
}

// pressed tells whether a lane's connects of the last minute could fill a good part
// of the range, or of the TIME_WAIT buckets.
func (s *space) pressed(l *lane, facts *flow.Facts) bool {
	settings := facts.Namespace(s.netns).Settings
	size, buckets := uint32(defaultSize), uint32(0)
	if settings != nil {
		size, buckets = settings.Size(), settings.MaxTWBuckets
	}
	recent := l.recentOpens()
	return recent >= pressedShare*float64(size) || buckets > 0 && recent >= pressedShare*float64(buckets)
}

// overflow watches TCPTimeWaitOverflow grow. The first reading is only where
// counting begins: what was refused before the agent came is history.
func (s *space) overflow(e *event.PortUse, desk trap.Desk) {
	fresh := e.Overflows - s.overflows
	grew := s.counted && e.Overflows > s.overflows
	s.overflows, s.counted = e.Overflows, true
	if !grew {
		s.mendOverflow(e, desk)
		return
	}
	s.refused += fresh
	s.overflown, s.pressure = e.Time, e.Time
	if known := desk.Facts().Namespace(s.netns).Settings; known != nil && !desk.Open(s.overflowKey()) {
		s.limit = known.MaxTWBuckets
	}
	desk.See(trap.Sighting{
		Key:      s.overflowKey(),
		At:       e.Time,
		New:      fresh,
		Status:   finding.Confirmed,
		Severity: finding.Low,
		Quiet:    walkAtRest + walkAtRest/2, // at rest it shows only at every walk
		Rests:    []event.Kind{event.KindPortUse},
	})
}

func (s *space) overflowKey() trap.Key {
	return trap.Key{Cause: BucketsFull, Netns: s.netns, Subject: "buckets"}
}

// mendOverflow closes the finding once the limit was raised and nothing was refused
// for a while. Meanwhile the walks go on every second.
func (s *space) mendOverflow(e *event.PortUse, desk trap.Desk) {
	known := desk.Facts().Namespace(s.netns).Settings
	if !desk.Open(s.overflowKey()) || known == nil || known.MaxTWBuckets <= s.limit {
		return
	}
	s.pressure = e.Time
	if e.Time.Sub(s.overflown) >= healthyFor {
		desk.Mend(s.overflowKey(), e.Time, fmt.Sprintf("tcp_max_tw_buckets is %d now, and none was refused for %s", known.MaxTWBuckets, healthyFor))
	}
}

func (s *space) describeOverflow(facts *flow.Facts, f *finding.Finding) {
	known := facts.Namespace(s.netns)
	limit := uint32(0)
	if known.Settings != nil {
		limit = known.Settings.MaxTWBuckets
	}
	f.Message = "TIME_WAIT buckets are full: the kernel closes connections without TIME_WAIT"
	f.Symptoms = []string{"late segments of a closed connection are answered with a reset, or taken for a new connection's (RFC 9293, section 3.6.1)"}
	f.Evidence = []string{fmt.Sprintf("TCPTimeWaitOverflow grew by %d since the agent started", s.refused)}
	if known.Use != nil {
		f.Evidence = append(f.Evidence, fmt.Sprintf("%d sockets in TIME_WAIT, limit tcp_max_tw_buckets %d", known.Use.AllTimeWait, limit))
	}
	f.Against = []string{"the limit is a protection of memory: a limit set low on purpose makes this harmless"}
	var c trap.Confidence
	c.Add(95, "the kernel's own counter of this event grew")
	c.Into(f)
	f.Ports = ports(known.Settings, known.Use)
	s.fixOverflow(facts, limit, f)
}

func (s *space) fixOverflow(facts *flow.Facts, limit uint32, f *finding.Finding) {
	if limit == 0 {
		return
	}
	place := trap.Where(facts, s.netns)
	op := finding.Sysctl{Key: "net.ipv4.tcp_max_tw_buckets", Value: fmt.Sprint(roomyBuckets(limit))}
	f.Fix = append(f.Fix, place.Do(op, "room for more TIME_WAITs", "a TIME_WAIT costs about 250 bytes of kernel memory"))
	f.Persistent = place.Keep("tw-buckets", op)
	f.Undo = append(f.Undo, place.Do(finding.Sysctl{Key: op.Key, Value: fmt.Sprint(limit)}, "as it was", ""))
	f.Verify = append(f.Verify, place.Look("must not grow any more", "nstat -az TcpExtTCPTimeWaitOverflow"))
}

// roomyBuckets gives a limit with room: four times the old one, and at least the
// 32768 that make half a minute of a thousand closes a second.
func roomyBuckets(limit uint32) uint32 { return max(4*limit, 32768) }
