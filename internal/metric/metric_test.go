// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package metric

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/trapbpf/trapbpf/internal/agent"
	"github.com/trapbpf/trapbpf/internal/engine"
	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// scrape asks as Prometheus does, and reads the answer by its library.
func scrape(t *testing.T, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil || answer.Code != 200 {
		t.Fatalf("status %d: %v", answer.Code, err)
	}
	return families
}

// value gives the one sample with these labels.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels map[string]string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		found := map[string]string{}
		for _, l := range m.GetLabel() {
			found[l.GetName()] = l.GetValue()
		}
		if maps.Equal(found, labels) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Errorf("no %s%v", name, labels)
	return -1
}

func standing() agent.Stand {
	return agent.Stand{
		Stand: engine.Stand{
			Open:   map[finding.Trap]int{finding.MTUBlackhole: 2, finding.DNSCaching: 0},
			Tables: []flow.Fill{{Table: "paths", Entries: 3, Limit: 10, Evicted: 4}},
		},
		Events: map[event.Kind]uint64{event.KindDrop: 5},
		Losses: []event.Loss{{Of: event.KindDrop, Stage: "ring", Count: 6}},
		Hooks:  []event.Hook{{Name: "drop", Sight: "drop", Rung: "tp_btf"}, {Name: "dns", Sight: "dns"}},
		Sights: map[finding.Trap]trap.Sight{finding.DNSCaching: trap.Blind},
		Costs:  []kernel.Cost{{Program: "tb_drop_packet", Hook: "drop", Runs: 7, Time: 2 * time.Second}, {Program: "tb_idle", Hook: "drop"}},
	}
}

func TestScrapeTellsHowThingsStand(t *testing.T) {
	m := New("v1", Source{Agent: standing, Sinks: func() []sink.Stand {
		return []sink.Stand{
			{Sink: "siem", Queued: 8, Stats: sink.Stats{Sent: 9, Failures: 10, Dropped: 11, Lost: 12, SpoolBytes: 13, Down: true}},
			{Sink: "siem", Queued: 99},
		}
	}})
	m.Add(sample.RPFilter(finding.Opened))
	families := scrape(t, m)
	type labels = map[string]string
	r := sample.RPFilter(finding.Opened)
	for _, want := range []struct {
		name   string
		labels labels
		value  float64
	}{
		{"trapbpf_findings_total", labels{"trap": string(r.Trap), "cause": string(r.Cause), "severity": severity(r.Severity), "action": "finding-opened"}, 1},
		{"trapbpf_open_findings", labels{"trap": "mtu-blackhole"}, 2},
		{"trapbpf_open_findings", labels{"trap": "dns-caching"}, 0},
		{"trapbpf_table_entries", labels{"table": "paths"}, 3},
		{"trapbpf_table_limit_entries", labels{"table": "paths"}, 10},
		{"trapbpf_table_evictions_total", labels{"table": "paths"}, 4},
		{"trapbpf_events_total", labels{"kind": "drop"}, 5},
		{"trapbpf_lost_events_total", labels{"kind": "drop", "stage": "ring"}, 6},
		{"trapbpf_hook_attached", labels{"hook": "drop", "sight": "drop", "rung": "tp_btf"}, 1},
		{"trapbpf_hook_attached", labels{"hook": "dns", "sight": "dns", "rung": ""}, 0},
		{"trapbpf_trap_sight", labels{"trap": "dns-caching", "sight": "blind"}, 1},
		{"trapbpf_trap_sight", labels{"trap": "dns-caching", "sight": "sees"}, 0},
		{"trapbpf_program_runs_total", labels{"hook": "drop", "program": "tb_drop_packet"}, 7},
		{"trapbpf_program_run_seconds_total", labels{"hook": "drop", "program": "tb_drop_packet"}, 2},
		{"trapbpf_sink_queue_records", labels{"sink": "siem"}, 8},
		{"trapbpf_sink_sent_records_total", labels{"sink": "siem"}, 9},
		{"trapbpf_sink_failures_total", labels{"sink": "siem"}, 10},
		{"trapbpf_sink_dropped_records_total", labels{"sink": "siem"}, 11},
		{"trapbpf_sink_lost_records_total", labels{"sink": "siem"}, 12},
		{"trapbpf_sink_spool_bytes", labels{"sink": "siem"}, 13},
		{"trapbpf_sink_up", labels{"sink": "siem"}, 0},
	} {
		if got := value(t, families, want.name, want.labels); got != want.value {
			t.Errorf("%s%v is %v, want %v", want.name, want.labels, got, want.value)
		}
	}
	if n := len(families["trapbpf_program_runs_total"].GetMetric()); n != 1 {
		t.Errorf("%d programs are told, where one ran", n)
	}
}

// words are what the values of labels may look like: no address, path or number.
var words = regexp.MustCompile(`^[a-z][a-z0-9_/ -]*$|^$`)

// Findings about any number of hosts, names and processes are the same few series.
func TestSeriesDoNotGrowWithWhatIsFound(t *testing.T) {
	m := New("v1", Source{Agent: standing, Sinks: func() []sink.Stand { return nil }})
	for i := range 1000 {
		for _, s := range sample.All() {
			r := *s.Record
			r.Subject, r.Process.PID, r.Netns.Inode = fmt.Sprint(i), uint32(i), uint32(i)
			r.Process.Name, r.Netns.Name, r.Message = fmt.Sprint("p", i), fmt.Sprint("n", i), fmt.Sprint("m", i)
			m.Add(&r)
		}
	}
	families := scrape(t, m)
	if n := len(families["trapbpf_findings_total"].GetMetric()); n > len(sample.All()) {
		t.Errorf("%d series for %d kinds of records", n, len(sample.All()))
	}
	allowed := []string{"trap", "cause", "severity", "action", "kind", "stage", "hook", "sight", "rung", "program", "table", "sink"}
	for name, family := range families {
		if len(name) < 8 || name[:8] != "trapbpf_" || name == "trapbpf_build_info" {
			continue
		}
		for _, series := range family.GetMetric() {
			for _, l := range series.GetLabel() {
				if !slices.Contains(allowed, l.GetName()) || !words.MatchString(l.GetValue()) {
					t.Errorf("%s has the label %s=%q", name, l.GetName(), l.GetValue())
				}
			}
		}
	}
}
