// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package http

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/sink"
)

// server keeps the requests that it got and answers as the test says.
type server struct {
	*httptest.Server
	bodies []string
	header http.Header
	answer func(w http.ResponseWriter, body string)
}

func serve(t *testing.T, answer func(w http.ResponseWriter, body string)) *server {
	t.Helper()
	s := &server{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.bodies, s.header = append(s.bodies, string(body)), r.Header
		s.answer(w, string(body))
	}))
	t.Cleanup(s.Close)
	return s
}

func ok(http.ResponseWriter, string) {}

func entries(ids ...string) []sink.Entry {
	var all []sink.Entry
	for _, id := range ids {
		all = append(all, sink.Entry{ID: id, Time: time.UnixMicro(1_700_000_000_123_456), Line: []byte(`{"id":"` + id + `"}`)})
	}
	return all
}

func remote(t *testing.T, o Options) *Remote {
	t.Helper()
	if key, err := o.Check(); err != nil {
		t.Fatal(key, err)
	}
	r, err := New("siem", o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFormsOfARequest(t *testing.T) {
	for form, want := range map[string]struct{ body, mediaType string }{
		"":       {"{\"id\":\"1\"}\n{\"id\":\"2\"}\n", "application/x-ndjson"},
		"ndjson": {"{\"id\":\"1\"}\n{\"id\":\"2\"}\n", "application/x-ndjson"},
		"splunk": {
			`{"time":1700000000.123456,"source":"trapbpf","sourcetype":"_json","event":{"id":"1"}}` + "\n" +
				`{"time":1700000000.123456,"source":"trapbpf","sourcetype":"_json","event":{"id":"2"}}` + "\n",
			"application/json",
		},
		"elastic": {
			`{"create":{"_id":"1"}}` + "\n" + `{"id":"1"}` + "\n" + `{"create":{"_id":"2"}}` + "\n" + `{"id":"2"}` + "\n",
			"application/x-ndjson",
		},
	} {
		s := serve(t, func(w http.ResponseWriter, _ string) { fmt.Fprint(w, `{"errors":false}`) })
		sent, err := remote(t, Options{URL: s.URL, Body: form}).Send(context.Background(), entries("1", "2"))
		if sent != 2 || err != nil || s.bodies[0] != want.body || s.header.Get("Content-Type") != want.mediaType {
			t.Errorf("%s: sent %d, %v, %q as %s", form, sent, err, s.bodies, s.header.Get("Content-Type"))
		}
	}
}

func TestLineThatIsNoJSONGoesToSplunkAsAString(t *testing.T) {
	s := serve(t, ok)
	e := sink.Entry{Line: []byte(`CEF:0|trapbpf|"x"`)}
	if _, err := remote(t, Options{URL: s.URL, Body: "splunk"}).Send(context.Background(), []sink.Entry{e}); err != nil {
		t.Fatal(err)
	}
	var body struct{ Event string }
	if err := json.Unmarshal([]byte(s.bodies[0]), &body); err != nil || body.Event != string(e.Line) {
		t.Errorf("%v, %q", err, s.bodies[0])
	}
}

func TestHeadersTakeSecretsFromElsewhere(t *testing.T) {
	t.Setenv("TOKEN", "secret")
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("from a file\nnot this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, ok)
	r := remote(t, Options{URL: s.URL, Headers: map[string]string{"Authorization": "Splunk ${env:TOKEN}", "X-Key": "${file:" + path + "}"}})
	if _, err := r.Send(context.Background(), entries("1")); err != nil {
		t.Fatal(err)
	}
	if s.header.Get("Authorization") != "Splunk secret" || s.header.Get("X-Key") != "from a file" {
		t.Errorf("headers %v", s.header)
	}
}

func TestAnswersSayWhetherToTryAgain(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		after   string
		refused bool
		later   time.Duration
	}{
		"too many":       {429, "7", false, 7 * time.Second},
		"unavailable":    {503, "", false, 0},
		"broken":         {500, "", false, 0},
		"wrong password": {401, "", false, 0},
		"bad request":    {400, "", true, 0},
		"too large":      {413, "", true, 0},
		"moved":          {301, "", false, 0},
	} {
		s := serve(t, func(w http.ResponseWriter, _ string) {
			w.Header().Set("Retry-After", c.after)
			w.Header().Set("Location", "http://192.0.2.1/")
			w.WriteHeader(c.status)
			fmt.Fprint(w, "why \x1b[31m")
		})
		sent, err := remote(t, Options{URL: s.URL}).Send(context.Background(), entries("1"))
		var refused *sink.Refusal
		if sent != 0 || err == nil || errors.As(err, &refused) != c.refused || sink.AfterOf(err) != c.later {
			t.Errorf("%s: sent %d, %v", name, sent, err)
		}
		if err != nil && strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: the answer's escapes reach the log: %q", name, err)
		}
	}
}

func TestOneBadEntryDoesNotTakeItsBatchWithIt(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, body string) {
		if strings.Contains(body, "bad") {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	r, waiting := remote(t, Options{URL: s.URL}), entries("1", "bad", "2")
	sent, err := r.Send(context.Background(), waiting)
	if sent != 1 || err != nil {
		t.Fatalf("sent %d, %v: the first alone is good", sent, err)
	}
	sent, err = r.Send(context.Background(), waiting[1:])
	var refused *sink.Refusal
	if sent != 0 || !errors.As(err, &refused) {
		t.Errorf("sent %d, %v: the second alone is refused", sent, err)
	}
}

func TestBulkAnswerIsReadEntryByEntry(t *testing.T) {
	const there, fine = `{"create":{"status":409,"error":{"type":"conflict"}}}`, `{"create":{"status":201}}`
	for name, c := range map[string]struct {
		answer  string
		sent    int
		refused bool
		fails   bool
	}{
		"all":         {`{"errors":false,"items":[` + fine + `]}`, 3, false, false},
		"there twice": {`{"errors":true,"items":[` + there + "," + fine + "," + there + `]}`, 3, false, false},
		"busy":        {`{"errors":true,"items":[` + fine + `,{"create":{"status":429}},` + fine + `]}`, 1, false, true},
		"bad":         {`{"errors":true,"items":[` + fine + "," + fine + `,{"create":{"status":400,"error":"x"}}]}`, 2, true, true},
		"no answer":   {`<html>`, 0, false, true},
	} {
		s := serve(t, func(w http.ResponseWriter, _ string) { fmt.Fprint(w, c.answer) })
		sent, err := remote(t, Options{URL: s.URL, Body: "elastic"}).Send(context.Background(), entries("1", "2", "3"))
		var refused *sink.Refusal
		if sent != c.sent || (err != nil) != c.fails || errors.As(err, &refused) != c.refused {
			t.Errorf("%s: sent %d, %v", name, sent, err)
		}
	}
}

func TestServerThatHangsOrIsNotTrusted(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(http.ResponseWriter, string) { <-release })
	defer close(release)
	if _, err := remote(t, Options{URL: s.URL, Timeout: 100 * time.Millisecond}).Send(context.Background(), entries("1")); err == nil {
		t.Error("a server that hangs took the records")
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	_, err := remote(t, Options{URL: secure.URL}).Send(context.Background(), entries("1"))
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a stranger's certificate: %v", err)
	}
}

func TestWrongOptionsNameTheirKey(t *testing.T) {
	const url = "http://127.0.0.1:1"
	for want, o := range map[string]Options{
		"url":             {URL: "logs.example.net"},
		"body":            {URL: url, Body: "xml"},
		"timeout":         {URL: url, Timeout: -1},
		"headers.A":       {URL: url, Headers: map[string]string{"A": "${env:NOT_THERE_AT_ALL}"}},
		"headers.B":       {URL: url, Headers: map[string]string{"B": "${home}"}},
		"headers.C":       {URL: url, Headers: map[string]string{"C": "a\nb"}},
		"tls.ca":          {URL: url, TLS: sink.TLS{CA: "/none"}},
		"tls.certificate": {URL: url, TLS: sink.TLS{Certificate: "/none"}},
	} {
		if key, err := o.Check(); key != want || err == nil {
			t.Errorf("%s: %q, %v", want, key, err)
		}
	}
}
