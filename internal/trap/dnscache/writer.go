// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// writer fills in a finding.
type writer struct {
	*finding.Finding
	base  *base
	facts *flow.Facts
	place trap.Place
	sure  trap.Confidence
}

func newWriter(b *base, facts *flow.Facts, f *finding.Finding) *writer {
	f.DNS = &finding.DNS{}
	f.Process = trap.OwnerOf(b.owner)
	return &writer{Finding: f, base: b, facts: facts, place: trap.Where(facts, b.key.Netns)}
}

func (w *writer) finish() { w.sure.Into(w.Finding) }

func (w *writer) symptom(format string, args ...any) {
	w.Symptoms = append(w.Symptoms, fmt.Sprintf(format, args...))
}

func (w *writer) evidence(format string, args ...any) {
	w.Evidence = append(w.Evidence, fmt.Sprintf(format, args...))
}

func (w *writer) against(reasons ...string) { w.Against = append(w.Against, reasons...) }

func (w *writer) fix(steps ...finding.Step) { w.Fix = append(w.Fix, steps...) }

// clock gives the time of day of a moment, to the millisecond.
func (w *writer) clock(at event.Time) string {
	tick := w.facts.Clock
	return tick.Wall.Add(at.Sub(tick.Time)).UTC().Format("15:04:05.000")
}

// left is how many seconds an end is away at the newest tick, 0 where it is past.
func (w *writer) left(end event.Time) uint32 {
	seconds := end.Sub(w.facts.Clock.Time).Seconds()
	return uint32(max(seconds, 0))
}

func (w *writer) who() string {
	if w.base.owner.PID == 0 {
		return "an unknown process"
	}
	return fmt.Sprintf("%s (pid %d)", w.base.owner.Comm, w.base.owner.PID)
}

// towards tells whom the finding's process talked to.
func (w *writer) towards(to netip.AddrPort, protocol uint8) {
	w.Flow = finding.Flow{Destination: to.Addr(), DestinationPort: to.Port(), Transport: "udp", Direction: "egress"}
	if protocol == event.ProtocolTCP {
		w.Flow.Transport = "tcp"
	}
}

// question fills in what was asked, and what the answer in question said.
func (w *writer) question(name flow.NameKey, said *flow.Said) {
	w.DNS.Question, w.DNS.Type = name.Name, name.Type
	w.DNS.ResponseCode = said.RCode
	w.DNS.ResolvedIP = said.Addresses
	w.DNS.TTL = said.TTL
	w.DNS.Resolver = said.Server.Addr().String()
}

// said puts an answer into words.
func (w *writer) said(s *flow.Said) string {
	what := s.RCode
	if len(s.Addresses) > 0 {
		what = join(s.Addresses)
	} else if s.RCode == "NOERROR" {
		what = "no record of this type"
	}
	return fmt.Sprintf("%s: %s answered %s, TTL %d s", w.clock(s.At), s.Server.Addr(), what, s.TTL)
}

func join(addrs []netip.Addr) string { return strings.Join(texts(addrs), ", ") }

func texts(addrs []netip.Addr) []string {
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return words
}

func ago(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
