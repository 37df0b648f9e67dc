// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package timewait

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Describe implements trap.Detector.
func (d *Detector) Describe(k trap.Key, facts *flow.Facts, f *finding.Finding) {
	if k.Cause == BucketsFull {
		d.space(k.Netns).describeOverflow(facts, f)
		return
	}
	for l := range d.lanes.All {
		if l.key.netns == k.Netns && l.subject() == k.Subject {
			l.describe(k.Cause, facts, f)
			return
		}
	}
}

func (l *lane) describe(cause finding.Cause, facts *flow.Facts, f *finding.Finding) {
	known := facts.Namespace(l.key.netns)
	f.Flow = finding.Flow{
		Source:      l.key.source,
		Destination: l.key.destination.Addr(), DestinationPort: l.key.destination.Port(),
		Transport: "tcp", Direction: "egress",
	}
	f.Process = trap.OwnerOf(l.owner)
	f.Ports = l.ports(cause, known)
	switch cause {
	case RunningOut:
		l.describeForecast(known, f)
	case BindPool:
		l.describeBind(known, f)
	default:
		l.describeFailure(cause, known, f)
	}
	l.fix(cause, facts, f)
}

// ports gives the numbers: of the lane where the finding is about one, of the whole
// namespace where binds took the range from every destination.
func (l *lane) ports(cause finding.Cause, known *flow.Namespace) *finding.Ports {
	p := ports(known.Settings, known.Use)
	if cause != BindPool {
		row := l.row
		if known.Use != nil {
			row = rowOf(known.Use, l.key)
		}
		p.TimeWait, p.Live = row.TimeWait, row.Live
		p.UsedPercent = percent(row.TimeWait+row.Live, p.Size)
	}
	p.Failures = l.failures
	p.OpensPerSecond = max(l.openRate.PerSecond(), 0)
	if cause == RunningOut && l.left != nil {
		left := l.left.Seconds()
		p.SecondsLeft = &left
	}
	return p
}

// ports gives a namespace's numbers.
func ports(settings *event.PortSettings, use *event.PortUse) *finding.Ports {
	p := &finding.Ports{}
	if settings != nil {
		p.Range = fmt.Sprintf("%d-%d", settings.Low, settings.High)
		p.Size, p.Reserved = settings.Size(), settings.Reserved
		p.TWReuse, p.Timestamps = settings.TWReuse, settings.Timestamps
	}
	if use != nil {
		p.TimeWait, p.Live = use.TimeWait, use.Live
		p.UsedPercent = percent(use.TimeWait+use.Live, p.Size)
		p.Top = top(use)
	}
	return p
}

// topRows is how many destinations a finding names.
const topRows = 5

func top(use *event.PortUse) []string {
	var words []string
	for i, row := range use.Rows {
		if i == topRows {
			break
		}
		words = append(words, fmt.Sprintf("%s -> %s: %d TIME_WAIT, %d live", row.Source, row.Destination, row.TimeWait, row.Live))
	}
	return words
}

func percent(part, whole uint32) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part*1000/whole) / 10
}

func (l *lane) describeFailure(cause finding.Cause, known *flow.Namespace, f *finding.Finding) {
	f.ErrorCode = "EADDRNOTAVAIL"
	f.Message = fmt.Sprintf("No local port left for connections to %s", l.key.destination)
	if cause == HeldByLive {
		f.Message = fmt.Sprintf("Live connections hold every local port towards %s", l.key.destination)
	}
	f.Symptoms = []string{fmt.Sprintf("connect() to %s fails with EADDRNOTAVAIL, \"Cannot assign requested address\"", l.key.destination)}
	var c trap.Confidence
	c.Add(60, "the kernel found no free local port for %d connect() calls", l.failures)
	f.Evidence = append(f.Evidence, fmt.Sprintf("%d connect() calls of %s left SYN_SENT without a port", l.failures, l.who()))
	l.weighHolders(&c, cause, known, f)
	c.Into(f)
	l.weighReuse(known, f)
	f.Against = append(f.Against,
		"not an address that is missing on this host: that fails before a port is looked for",
		"not a refused or unanswered connect: those have a port")
}

func (l *lane) weighHolders(c *trap.Confidence, cause finding.Cause, known *flow.Namespace, f *finding.Finding) {
	p := f.Ports
	if known.Use == nil || known.Settings == nil {
		f.Evidence = append(f.Evidence, "the namespace's sockets could not be walked: who holds the ports is not known")
		return
	}
	f.Evidence = append(f.Evidence,
		fmt.Sprintf("%d of %d ports towards %s are taken: %d in TIME_WAIT, %d live (%.1f%%)",
			p.TimeWait+p.Live, p.Size, l.key.destination, p.TimeWait, p.Live, p.UsedPercent),
		"range "+p.Range+reservedWords(p.Reserved))
	if p.UsedPercent < 100*explained {
		c.Add(-10, "only %.1f%% of the range is taken in this lane: the caller may use a range of its own (IP_LOCAL_PORT_RANGE)", p.UsedPercent)
		return
	}
	c.Add(25, "%.1f%% of the range towards this destination is taken", p.UsedPercent)
	if cause == HeldByLive {
		c.Add(10, "most of it by live connections: %d against %d in TIME_WAIT", p.Live, p.TimeWait)
		return
	}
	c.Add(10, "most of it in TIME_WAIT: %d against %d live", p.TimeWait, p.Live)
}

func reservedWords(reserved string) string {
	if reserved == "" {
		return ""
	}
	return ", without the reserved ports " + reserved
}

// weighReuse says what tcp_tw_reuse does here: it is misread more than any other.
func (l *lane) weighReuse(known *flow.Namespace, f *finding.Finding) {
	if known.Settings == nil {
		return
	}
	words := "does not apply to this destination"
	if reusable(known.Settings, l.key) {
		words = "applies: TIME_WAITs older than a second may be taken over"
	}
	f.Evidence = append(f.Evidence, fmt.Sprintf("tcp_tw_reuse is %d, tcp_timestamps %d: reuse %s",
		known.Settings.TWReuse, known.Settings.Timestamps, words))
}

func (l *lane) who() string {
	if l.owner.PID == 0 {
		return "an unknown process"
	}
	return fmt.Sprintf("%s (pid %d)", l.owner.Comm, l.owner.PID)
}
