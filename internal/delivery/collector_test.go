// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	logs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/sink/otlp"
)

// collectorConfig hands on what it receives before it answers: it has no queue, so that
// what was taken is where it belongs.
const collectorConfig = `
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:GRPC"}
      http: {endpoint: "127.0.0.1:HTTP"}
exporters:
  otlphttp:
    endpoint: STORE
    compression: none
    sending_queue: {enabled: false}
    retry_on_failure: {enabled: false}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    logs: {receivers: [otlp], exporters: [otlphttp]}
`

// store is what stands behind the collector.
type store struct {
	mu      sync.Mutex
	arrived []place
	names   map[string]int
}

// ServeHTTP implements http.Handler.
func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request logs.ExportLogsServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range request.ResourceLogs {
		for _, scope := range resource.ScopeLogs {
			for _, record := range scope.LogRecords {
				s.names[record.EventName]++
				s.arrived = append(s.arrived, placeOf(record.Attributes))
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func placeOf(attributes []*common.KeyValue) place {
	var of place
	for _, a := range attributes {
		switch a.Key {
		case "event.id":
			of.Event.ID = a.Value.GetStringValue()
		case "event.sequence":
			of.Event.Sequence = uint64(a.Value.GetIntValue())
		case "trapbpf.finding.id":
			of.Trapbpf.Finding.ID = a.Value.GetStringValue()
		}
	}
	return of
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.arrived)
}

// buildCollector makes the collector's program from its modules.
func buildCollector(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "collector")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = "../../tools/collector"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the collector: %v\n%s", err, out)
	}
	return binary
}

func TestCollectorThatIsKilledGetsEveryRecord(t *testing.T) {
	binary := buildCollector(t)
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(strings.ReplaceAll(protocol, "/", "-"), func(t *testing.T) {
			behind, s := &store{names: map[string]int{}}, newStorm(t)
			server := httptest.NewServer(behind)
			defer server.Close()
			ports := map[string]string{"grpc": freePort(t), "http/protobuf": freePort(t)}
			config := filepath.Join(t.TempDir(), "collector.yaml")
			put(t, config, []byte(strings.NewReplacer("GRPC", ports["grpc"], "HTTP", ports["http/protobuf"], "STORE", server.URL).Replace(collectorConfig)))
			collector := newDaemon(t, binary, "--config", "file:"+config)
			remote, err := otlp.New("collector", "test", otlp.Options{Endpoint: "http://127.0.0.1:" + ports[protocol], Protocol: protocol})
			if err != nil {
				t.Fatal(err)
			}
			collector.up()
			listens(t, ports[protocol])
			to := spooled(t, remote)
			go s.send(t, to)
			for _, n := range []int{100, 300, 500, 700, 900} {
				kerneltest.Within(t, patience, strconv.Itoa(n)+" records", func() bool { return behind.count() >= n })
				collector.down(syscall.SIGKILL)
				collector.up()
			}
			kerneltest.Within(t, patience, "an empty spool", func() bool { return to.Stats().Sent >= uint64(len(s.records)) })
			behind.mu.Lock()
			defer behind.mu.Unlock()
			twice := s.order(t, behind.arrived)
			if behind.names["trapbpf.finding.opened"] < findings || behind.names["trapbpf.finding.resolved"] < findings {
				t.Errorf("event names %v", behind.names)
			}
			t.Logf("%d records came twice", twice)
		})
	}
}
