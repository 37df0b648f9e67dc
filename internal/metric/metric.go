// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package metric tells Prometheus how the agent fares.
//
// Nothing is counted for it: a scrape asks the agent and the sinks how they stand, so an
// event costs the same whether anybody scrapes or not. Only findings, which are rare, are
// counted as they are told. Labels are words of a fixed few (traps, causes, kinds, hooks)
// and the sinks' names: never an address, a name from the network, a process or a
// namespace, so that the number of series is bounded by the configuration.
package metric

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/trapbpf/trapbpf/internal/agent"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// maxScrapes is how many scrapes are answered at once: more are told to come back.
const maxScrapes = 4

// Source is what a scrape asks. Both may be called from any goroutine.
type Source struct {
	Agent func() agent.Stand
	Sinks func() []sink.Stand
}

// Metrics is a registry of its own: nothing that a library registers by itself is in it.
type Metrics struct {
	registry *prometheus.Registry
	findings *prometheus.CounterVec
	handler  http.Handler
}

// New gives the metrics of one agent. version is its own.
func New(version string, from Source) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trapbpf_findings_total",
			Help: "Records of findings, by what they tell: finding-opened, finding-updated or finding-resolved.",
		}, []string{"trap", "cause", "severity", "action"}),
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "trapbpf_build_info",
		Help:        "Always 1; the labels tell what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
	m.registry.MustRegister(
		m.findings, build, agentCollector{from.Agent}, sinkCollector{from.Sinks},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes})
	return m
}

// Add counts a record.
func (m *Metrics) Add(r *finding.Record) {
	m.findings.WithLabelValues(string(r.Trap), string(r.Cause), severity(r.Severity), string(r.Action)).Inc()
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler { return m.handler }

func severity(s finding.Severity) string {
	switch {
	case s >= finding.Critical:
		return "critical"
	case s >= finding.High:
		return "high"
	case s >= finding.Medium:
		return "medium"
	default:
		return "low"
	}
}
