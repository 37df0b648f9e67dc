// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package metric

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/trapbpf/trapbpf/internal/sink"
)

// sinkCollector asks the sinks.
type sinkCollector struct{ ask func() []sink.Stand }

// Describe implements prometheus.Collector; see agentCollector.Describe.
func (sinkCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. Of two sinks with one name the first is told.
func (c sinkCollector) Collect(to chan<- prometheus.Metric) {
	told := map[string]bool{}
	for _, s := range c.ask() {
		if !told[s.Sink] {
			told[s.Sink] = true
			collectSink(to, s)
		}
	}
}

func collectSink(to chan<- prometheus.Metric, s sink.Stand) {
	for _, count := range []struct {
		name, help string
		value      uint64
	}{
		{"trapbpf_sink_sent_records_total", "Records that the sink's place has.", s.Sent},
		{"trapbpf_sink_failures_total", "Attempts to write that did not succeed.", s.Failures},
		{"trapbpf_sink_dropped_records_total", "Updates that went for want of room: the next update tells what they told.", s.Dropped},
		{"trapbpf_sink_lost_records_total", "Records that the sink's place never gets.", s.Lost},
	} {
		to <- counter(desc(count.name, count.help, "sink"), float64(count.value), s.Sink)
	}
	to <- gauge(desc("trapbpf_sink_up", "0 where the newest attempt to write did not succeed.", "sink"), truth(!s.Down), s.Sink)
	to <- gauge(desc("trapbpf_sink_queue_records", "Records that wait in memory.", "sink"), float64(s.Queued), s.Sink)
	to <- gauge(desc("trapbpf_sink_spool_bytes", "Bytes that wait on disk.", "sink"), float64(s.SpoolBytes), s.Sink)
}
