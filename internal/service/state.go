// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/internal/agent"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// lost hears of events that no detector saw.
func (s *Service) lost(l *event.Loss) {
	s.notices.add(finding.EventsLost, finding.Medium, fmt.Sprintf("events of kind %s were lost (%s)", l.Of, l.Stage),
		finding.Notice{Kind: string(l.Of), Stage: l.Stage, Count: l.Count})
}

// blind tells what the agent cannot see, once.
func (s *Service) blind(stand agent.Stand) {
	for _, h := range stand.Hooks {
		if h.Rung == "" {
			s.notices.add(finding.HookBlind, finding.Medium, "hook "+h.Name+" is not attached", finding.Notice{Hook: h.Name, Why: h.Blind})
		}
	}
	s.blindTraps(stand.Sights)
}

func (s *Service) blindTraps(sights map[finding.Trap]trap.Sight) {
	for name, sight := range sights {
		if sight == trap.Blind {
			s.notices.add(finding.TrapBlind, finding.Medium, "trap "+string(name)+" cannot be seen", finding.Notice{Trap: name})
		}
	}
}

// fallen hears of a hook that others took off while the agent watched.
func (s *Service) fallen(h event.Hook) {
	s.notices.add(finding.HookBlind, finding.Medium, "hook "+h.Name+" is not attached any more", finding.Notice{Hook: h.Name, Why: h.Blind})
	s.blindTraps(s.sights())
}

// report hears how the sinks fare. It must not block, nor call the fan-out.
func (s *Service) report(r sink.Report) {
	log := s.log.With(
		zap.String("event.dataset", "trapbpf.agent"), zap.String("event.kind", "event"), zap.String("sink", r.Sink))
	about := finding.Notice{Sink: r.Sink, Count: r.Dropped}
	if r.Err != nil {
		about.Why = r.Err.Error()
	}
	switch {
	case r.Lost != nil && r.Lost.Notice != nil: // of a loss of this nothing more is told
		log.Debug("record of the agent's own state lost", zap.Error(r.Err))
	case r.Recovered:
		log.Info("sink takes records again")
		s.notices.add(finding.SinkRecovered, finding.Low, "sink "+r.Sink+" takes records again", about)
	case r.Lost != nil && r.Lost.Expendable(), r.Updates:
		s.tally.lost.Add(1)
		if s.notices.add(finding.UpdatesDropped, finding.Medium, "sink "+r.Sink+" drops updates", about) {
			log.Warn("updates dropped", zap.Uint64("dropped", r.Dropped), zap.Error(r.Err))
		}
	case r.Lost != nil || r.Dropped > 0:
		s.tally.lost.Add(1)
		if s.notices.add(finding.RecordsLost, finding.Medium, "sink "+r.Sink+" has lost records", about) {
			log.Warn("record lost", zap.Uint64("dropped", r.Dropped), zap.Error(r.Err))
		}
	default:
		log.Warn("sink does not take records, they wait", zap.Error(r.Err))
		s.notices.add(finding.SinkFailing, finding.Medium, "sink "+r.Sink+" does not take records", about)
	}
	if of, configured := s.config.Sinks[r.Sink]; sink.Broken(r.Err) && (!configured || of.Stdout != nil) {
		s.broken()
	}
}
