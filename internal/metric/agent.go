// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package metric

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/trapbpf/trapbpf/internal/agent"
	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
)

// agentCollector asks the agent.
type agentCollector struct{ ask func() agent.Stand }

// Describe implements prometheus.Collector. It describes nothing: which series there are
// is known once the agent was asked.
func (agentCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c agentCollector) Collect(to chan<- prometheus.Metric) {
	s := c.ask()
	collectFindings(to, &s)
	collectEvents(to, &s)
	collectSights(to, &s)
	collectCosts(to, &s)
	for _, fill := range s.Tables {
		collectTable(to, fill)
	}
}

func collectFindings(to chan<- prometheus.Metric, s *agent.Stand) {
	open := desc("trapbpf_open_findings", "Findings that are open now.", "trap")
	for name, count := range s.Open {
		to <- gauge(open, float64(count), string(name))
	}
	to <- counter(desc("trapbpf_refused_findings_total", "Findings that were not opened because too many were open."), float64(s.Refused))
}

func collectEvents(to chan<- prometheus.Metric, s *agent.Stand) {
	seen := desc("trapbpf_events_total", "Events that the detectors saw.", "kind")
	for kind, count := range s.Events {
		to <- counter(seen, float64(count), string(kind))
	}
	lost := desc("trapbpf_lost_events_total",
		"Events that were lost: stage ring (no room to hand over), map (no room to aggregate), decode (malformed).", "kind", "stage")
	for _, loss := range s.Losses {
		to <- counter(lost, float64(loss.Count), string(loss.Of), loss.Stage)
	}
}

func collectSights(to chan<- prometheus.Metric, s *agent.Stand) {
	attached := desc("trapbpf_hook_attached", "1 where a hook is attached, on the rung that the label tells; 0 where it is blind.", "hook", "sight", "rung")
	for _, h := range s.Hooks {
		to <- gauge(attached, truth(h.Rung != ""), h.Name, h.Sight, h.Rung)
	}
	sight := desc("trapbpf_trap_sight", "How well a trap is seen: 1 for the one of sees, half blind and blind that holds.", "trap", "sight")
	for name, now := range s.Sights {
		for _, word := range []trap.Sight{trap.Sees, trap.HalfBlind, trap.Blind} {
			to <- gauge(sight, truth(now == word), string(name), string(word))
		}
	}
}

// collectCosts tells run times only where the kernel takes them (kernel.bpf_stats_enabled).
func collectCosts(to chan<- prometheus.Metric, s *agent.Stand) {
	runs := desc("trapbpf_program_runs_total", "Runs of a BPF program, while the kernel counts them (kernel.bpf_stats_enabled).", "hook", "program")
	spent := desc("trapbpf_program_run_seconds_total", "Time that a BPF program ran, while the kernel measures it.", "hook", "program")
	for _, cost := range s.Costs {
		if cost.Runs == 0 {
			continue
		}
		to <- counter(runs, float64(cost.Runs), cost.Hook, cost.Program)
		to <- counter(spent, cost.Time.Seconds(), cost.Hook, cost.Program)
	}
}

func collectTable(to chan<- prometheus.Metric, fill flow.Fill) {
	to <- gauge(desc("trapbpf_table_entries", "Entries of a table.", "table"), float64(fill.Entries), fill.Table)
	to <- gauge(desc("trapbpf_table_limit_entries", "Entries that a table can hold.", "table"), float64(fill.Limit), fill.Table)
	to <- counter(desc("trapbpf_table_evictions_total", "Entries that were pushed out of a full table.", "table"), float64(fill.Evicted), fill.Table)
}
