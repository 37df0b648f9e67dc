// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const line = `{"@timestamp":"2026-01-02T03:04:05Z","message":"MTU blackhole","event":{"severity":73,"risk_score":7.5},` +
	`"trapbpf":{"fix":["a","b"],"lossy":true,"finding":{"id":"f1"}}}`

func entries(actions ...finding.Action) []sink.Entry {
	var all []sink.Entry
	for _, a := range actions {
		all = append(all, sink.Entry{Line: []byte(line), Action: a, Severity: finding.High, Time: time.Unix(1_700_000_000, 5)})
	}
	return all
}

// receiver is a collector on both protocols.
type receiver struct {
	collector.UnimplementedLogsServiceServer
	requests []*collector.ExportLogsServiceRequest
	headers  http.Header
	answer   *collector.ExportLogsServiceResponse
	err      error // for gRPC
	status   int   // for HTTP, 0 for 200
}

// Export implements the gRPC service.
func (r *receiver) Export(_ context.Context, q *collector.ExportLogsServiceRequest) (*collector.ExportLogsServiceResponse, error) {
	r.requests = append(r.requests, q)
	return r.answer, r.err
}

// ServeHTTP implements the same over HTTP.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	request := new(collector.ExportLogsServiceRequest)
	if err != nil || proto.Unmarshal(body, request) != nil || q.URL.Path != "/v1/logs" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	r.requests, r.headers = append(r.requests, request), q.Header
	w.Header().Set("Content-Type", "application/x-protobuf")
	if r.status != 0 {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(r.status)
		return
	}
	text, err := proto.Marshal(r.answer)
	if err != nil {
		return
	}
	_, _ = w.Write(text) // the client is in this test
}

func start(t *testing.T, protocol string) (*receiver, *Remote) {
	t.Helper()
	r := &receiver{answer: &collector.ExportLogsServiceResponse{}}
	var endpoint string
	if protocol == "grpc" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		collector.RegisterLogsServiceServer(server, r)
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(server.Stop)
		endpoint = "http://" + listener.Addr().String()
	} else {
		server := httptest.NewServer(r)
		t.Cleanup(server.Close)
		endpoint = server.URL
	}
	o := Options{Endpoint: endpoint, Protocol: protocol, Headers: map[string]string{"x-tenant": "net"}}
	if key, err := o.Check(); err != nil {
		t.Fatal(key, err)
	}
	remote, err := New("collector", "v1", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = remote.Close() })
	return r, remote
}

func TestRecordsArriveAsEvents(t *testing.T) {
	for _, protocol := range protocols() {
		t.Run(protocol, func(t *testing.T) {
			r, remote := start(t, protocol)
			sent, err := remote.Send(context.Background(), entries(finding.Opened, finding.Updated, finding.Closed))
			if sent != 3 || err != nil || len(r.requests) != 1 {
				t.Fatal(sent, err, len(r.requests))
			}
			about := r.requests[0].ResourceLogs[0]
			if !strings.Contains(about.Resource.String(), "service.name") {
				t.Errorf("resource %s", about.Resource)
			}
			got := about.ScopeLogs[0].LogRecords
			for i, name := range []string{"opened", "updated", "resolved"} {
				checkRecord(t, got[i], "trapbpf.finding."+name)
			}
			if protocol != "grpc" && r.headers.Get("X-Tenant") != "net" {
				t.Errorf("headers %v", r.headers)
			}
		})
	}
}

func checkRecord(t *testing.T, r *logs.LogRecord, name string) {
	t.Helper()
	attributes := map[string]string{}
	for _, a := range r.Attributes {
		attributes[a.Key] = strings.ReplaceAll(a.Value.String(), "  ", " ")
	}
	if r.EventName != name || r.Body.GetStringValue() != "MTU blackhole" || r.TimeUnixNano != 1_700_000_000_000_000_005 {
		t.Errorf("%s: %v", name, r)
	}
	for key, want := range map[string]string{
		"event.severity": "int_value:73", "event.risk_score": "double_value:7.5", "trapbpf.lossy": "bool_value:true",
		"trapbpf.finding.id": `string_value:"f1"`, "trapbpf.fix": `string_value:"b"`,
	} {
		if !strings.Contains(attributes[key], want) {
			t.Errorf("%s: %s is %s, want %s", name, key, attributes[key], want)
		}
	}
	if len(attributes) != 5 {
		t.Errorf("%s: attributes %v", name, attributes)
	}
}

// A collector that took a part must not get that part again.
func TestPartialSuccessIsToldAndNotSentAgain(t *testing.T) {
	for _, protocol := range protocols() {
		for rejected, lost := range map[int64]bool{0: false, 2: true} {
			r, remote := start(t, protocol)
			r.answer = &collector.ExportLogsServiceResponse{PartialSuccess: &collector.ExportLogsPartialSuccess{
				RejectedLogRecords: rejected, ErrorMessage: "too old",
			}}
			sent, err := remote.Send(context.Background(), entries(finding.Opened, finding.Opened, finding.Closed))
			var refused *sink.Refusal
			if sent != 3 || errors.As(err, &refused) != lost {
				t.Errorf("%s, %d rejected: sent %d, %v", protocol, rejected, sent, err)
			}
			if lost && refused.Count != 2 {
				t.Errorf("%s: %d were refused", protocol, refused.Count)
			}
		}
	}
}

func TestFaultsSayWhetherToTryAgain(t *testing.T) {
	for name, c := range map[string]struct {
		protocol string
		status   int
		err      error
		refused  bool
		after    time.Duration
	}{
		"busy":         {"http/protobuf", 429, nil, false, 3 * time.Second},
		"down":         {"http/protobuf", 503, nil, false, 3 * time.Second},
		"bad":          {"http/protobuf", 400, nil, true, 0},
		"gRPC is down": {"grpc", 0, status.Error(codes.Unavailable, "down"), false, 0},
		"gRPC is bad":  {"grpc", 0, status.Error(codes.InvalidArgument, "bad"), true, 0},
	} {
		r, remote := start(t, c.protocol)
		r.status, r.err = c.status, c.err
		sent, err := remote.Send(context.Background(), entries(finding.Opened))
		var refused *sink.Refusal
		if sent != 0 || err == nil || errors.As(err, &refused) != c.refused || sink.AfterOf(err) != c.after {
			t.Errorf("%s: sent %d, %v (after %s)", name, sent, err, sink.AfterOf(err))
		}
	}
}

func TestVariablesAreObeyed(t *testing.T) {
	r, _ := start(t, "http/protobuf")
	server := httptest.NewServer(r)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret")
	remote, err := New("collector", "v1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	if sent, err := remote.Send(context.Background(), entries(finding.Opened)); sent != 1 || err != nil {
		t.Fatal(sent, err)
	}
	if r.headers.Get("X-Key") != "secret" {
		t.Errorf("headers %v", r.headers)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
	if _, err := New("collector", "v1", Options{}); err == nil || !strings.Contains(err.Error(), "http/json") {
		t.Errorf("a protocol that is not known: %v", err)
	}
}

func TestGarbledRecordIsRefused(t *testing.T) {
	_, remote := start(t, "http/protobuf")
	good := entries(finding.Opened)[0]
	sent, err := remote.Send(context.Background(), []sink.Entry{good, {Line: []byte("{")}})
	if sent != 1 || err != nil {
		t.Errorf("sent %d, %v", sent, err)
	}
	var refused *sink.Refusal
	if _, err = remote.Send(context.Background(), []sink.Entry{{Line: []byte("{")}}); !errors.As(err, &refused) {
		t.Errorf("error %v", err)
	}
}
