// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const withMetrics = "metrics: 127.0.0.1:0\noutput: json\n" + toFile + "  away:\n    http:\n      url: http://127.0.0.1:1/\n"

// address waits for the endpoint's.
func (b *bench) address() string {
	b.t.Helper()
	var address string
	kerneltest.Within(b.t, patience, "the metrics to be served", func() bool {
		for _, entry := range b.log.FilterMessage("metrics are served").All() {
			address = fmt.Sprint(entry.ContextMap()["address"])
		}
		return address != ""
	})
	return address
}

// get gives an answer's status and body.
func get(t *testing.T, address string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func scrape(t *testing.T, address string) map[string]*dto.MetricFamily {
	t.Helper()
	status, body := get(t, "http://"+address+"/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil || status != http.StatusOK {
		t.Fatalf("status %d: %v", status, err)
	}
	return families
}

// deployed gives the metrics that a file of the project names.
func deployed(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", file))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(file, ".json") && !json.Valid(text) {
		t.Fatalf("%s is no JSON", file)
	}
	var names []string
	for _, found := range regexp.MustCompile(`\b((trapbpf|process|go)_[a-z_]+)[{,)\[ `+"`"+`]`).FindAllSubmatch(text, -1) {
		names = append(names, string(found[1]))
	}
	if len(names) < 5 {
		t.Fatalf("%s names %q only", file, names)
	}
	return names
}

func TestMetricsAndHealthOfALivingService(t *testing.T) {
	b := start(t, fmt.Sprintf(withMetrics, "out"))
	b.hear("READY=1")
	b.netns.Do(t, loopbackUp)
	t.Run("health", b.answersHealthChecks)
	t.Run("scrape", b.tellsWhatDashboardAndAlertsName)
	t.Run("prometheus", b.isScrapedByPrometheus)
	t.Run("notices", b.tellsItsOwnState)
}

func (b *bench) tellsWhatDashboardAndAlertsName(t *testing.T) {
	stats, err := kernel.EnableStats()
	if err != nil {
		t.Fatal(err)
	}
	defer stats.Close()
	b.exhaust(8001)
	b.finds("out")
	address := b.address()
	var families map[string]*dto.MetricFamily
	kerneltest.Within(t, patience, "the dead sink to be down", func() bool {
		families = scrape(t, address)
		return series(families, "trapbpf_sink_up", "away") == 0 && series(families, "trapbpf_sink_spool_bytes", "away") > 0
	})
	// A loss cannot be had for the asking: the kernel's tests see it, and the package
	// metric that it is told.
	families["trapbpf_lost_events_total"] = &dto.MetricFamily{}
	for _, file := range []string{"deploy/grafana/trapbpf.json", "deploy/prometheus/trapbpf.rules.yaml", "docs/metrics.md"} {
		for _, name := range deployed(t, file) {
			if families[name] == nil {
				t.Errorf("%s names %s, which no scrape tells", file, name)
			}
		}
	}
	if n := series(families, "trapbpf_sink_sent_records_total", "local"); n < 1 {
		t.Errorf("%v records are in the file", n)
	}
	if n := series(families, "trapbpf_open_findings", "time-wait-exhaustion"); n != 1 {
		t.Errorf("%v findings are open", n)
	}
	if n := series(families, "trapbpf_events_total", "port-failure"); n < 1 {
		t.Errorf("%v failed binds were seen", n)
	}
}

// sample gives the value of the series that has a label of this value, -1 where none has.
func series(families map[string]*dto.MetricFamily, name, value string) float64 {
	for _, m := range families[name].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetValue() == value {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

// freePort gives a port of the loopback that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// prometheus runs the real one against a target, and gives its address.
func prometheus(t *testing.T, target string) string {
	t.Helper()
	dir, address := t.TempDir(), freePort(t)
	config := fmt.Sprintf("global: {scrape_interval: 1s}\nrule_files: [RULES]\nscrape_configs:\n  - job_name: trapbpf\n    static_configs: [{targets: [%q]}]\n", target)
	rules, err := filepath.Abs("../../deploy/prometheus/trapbpf.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config = strings.Replace(config, "RULES", rules, 1)
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("prometheus", "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	started := make(chan error)
	go func() {
		// To the kernel the parent is the thread, and the agent of this test ends threads:
		// this one lasts as long as the test.
		runtime.LockOSThread()
		started <- cmd.Start()
		<-t.Context().Done()
	}()
	if err := <-started; err != nil {
		t.Fatalf("start Debian's prometheus: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has nothing to save
		_ = cmd.Wait()         // killed
		if t.Failed() {
			t.Logf("prometheus said:\n%s", said.String())
		}
	})
	return address
}

func (b *bench) isScrapedByPrometheus(t *testing.T) {
	address := prometheus(t, b.address())
	query := "http://" + address + "/api/v1/query?query=" + url.QueryEscape(`trapbpf_trap_sight{job="trapbpf",trap="time-wait-exhaustion"} == 1`)
	last := ""
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("it answered %s", last)
		}
	})
	kerneltest.Within(t, patience, "Prometheus to have scraped", func() bool {
		answer, err := http.Get(query) // on the loopback; the deadline is Within's
		if err != nil {
			return false // not up yet
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		last = string(body)
		var told struct {
			Data struct {
				Result []struct {
					Metric struct{ Trap string }
					Value  [2]any
				}
			}
		}
		if err := json.Unmarshal(body, &told); err != nil || len(told.Data.Result) != 1 {
			return false
		}
		result := told.Data.Result[0]
		return result.Metric.Trap == "time-wait-exhaustion" && result.Value[1] == "1"
	})
}

func (b *bench) answersHealthChecks(t *testing.T) {
	address := b.address()
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := get(t, "http://"+address+path); status != http.StatusOK || body != "ok\n" {
			t.Errorf("%s answers %d %q", path, status, body)
		}
	}
}

// tellsItsOwnState holds that the file has the dead sink's state, beside the findings, and
// standard output has not.
func (b *bench) tellsItsOwnState(t *testing.T) {
	kerneltest.Within(t, patience, "the dead sink in the file", func() bool {
		text, err := os.ReadFile(b.path("out"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var r finding.NoticeDocument
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			if r.Event.Dataset == "trapbpf.agent" && r.Event.Action == finding.SinkFailing {
				return r.Trapbpf.Agent.Sink == "away" && strings.Contains(r.Error.Message, "connection refused")
			}
		}
		return false
	})
	if out := b.stdout.String(); strings.Contains(out, "trapbpf.agent") || !strings.Contains(out, "trapbpf.finding") {
		t.Errorf("standard output has\n%s", out)
	}
}

func TestHealthIsLostWhenTheReaderOfEventsHangs(t *testing.T) {
	e := &endpoint{pulse: &pulse{begun: time.Now().Add(-time.Hour)}}
	if why := e.health(); why != "events were not read for 1h0m0s" {
		t.Errorf("health: %q", why)
	}
	if why := e.readiness(); !strings.HasPrefix(why, "not watching") {
		t.Errorf("readiness: %q", why)
	}
	e.pulse.beat()
	e.watching.Store(true)
	if e.health() != "" || e.readiness() != "" {
		t.Errorf("health %q, readiness %q after a beat", e.health(), e.readiness())
	}
}

func TestPortInUseIsOneLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = listen(taken.Addr().String(), newPulse(), nil)
	want := fmt.Sprintf("listen for metrics on %s: bind: address already in use: choose another address by metrics (--metrics), or \"\" for none", taken.Addr())
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if e, err := listen("", newPulse(), nil); e != nil || err != nil {
		t.Errorf("no address gives %v, %v", e, err)
	}
}
