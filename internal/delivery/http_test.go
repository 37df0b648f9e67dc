// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	sinkhttp "github.com/trapbpf/trapbpf/internal/sink/http"
)

// askedWait is what the endpoint asks for by Retry-After, in seconds.
const askedWait = "1"

// moody is an endpoint that takes every second request, and answers the others with 429,
// with 500, not at all, or takes half of the body and cuts the connection.
type moody struct {
	mu       sync.Mutex
	requests int
	lines    []string
	// asked is when it asked to be left alone; early counts who came before the end.
	asked time.Time
	early int
	bad   map[string]int
}

// ServeHTTP implements http.Handler.
func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.requests++
	mood := m.requests % 8
	if !m.asked.IsZero() && time.Since(m.asked) < time.Second {
		m.early++
	}
	m.asked = time.Time{}
	m.mu.Unlock()
	switch mood {
	case 1:
		m.say("429")
		m.mu.Lock()
		m.asked = time.Now()
		m.mu.Unlock()
		w.Header().Set("Retry-After", askedWait)
		w.WriteHeader(http.StatusTooManyRequests)
	case 3:
		m.say("500")
		w.WriteHeader(http.StatusInternalServerError)
	case 5:
		m.say("hang")
		m.take(r, 1<<20)     // it has all, and never says so
		<-r.Context().Done() // until the client gives up
	case 7:
		m.say("cut")
		m.take(r, 10)
		panic(http.ErrAbortHandler) // the server closes the connection
	default:
		m.take(r, 1<<20)
	}
}

func (m *moody) say(mood string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bad[mood]++
}

// take keeps at most so many lines of a request.
func (m *moody) take(r *http.Request, most int) {
	in := bufio.NewScanner(r.Body)
	in.Buffer(nil, 1<<20)
	for most > 0 && in.Scan() {
		m.mu.Lock()
		m.lines = append(m.lines, in.Text())
		m.mu.Unlock()
		most--
	}
}

func TestEndpointThatRefusesFailsAndHangsGetsEveryRecord(t *testing.T) {
	endpoint, s := &moody{bad: map[string]int{}}, newStorm(t)
	server := httptest.NewServer(endpoint)
	defer server.Close()
	remote, err := sinkhttp.New("moody", sinkhttp.Options{URL: server.URL, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	to := spooled(t, remote)
	s.send(t, to)
	kerneltest.Within(t, patience, "an empty spool", func() bool { return to.Stats().Sent >= uint64(len(s.records)) })
	endpoint.mu.Lock()
	defer endpoint.mu.Unlock()
	twice := s.check(t, endpoint.lines)
	if twice == 0 {
		t.Error("nothing came twice, although answers were lost: did the endpoint misbehave at all?")
	}
	if endpoint.early > 0 {
		t.Errorf("%d requests came before the time that the endpoint asked for", endpoint.early)
	}
	for _, mood := range []string{"429", "500", "hang", "cut"} {
		if endpoint.bad[mood] == 0 {
			t.Errorf("it was never in the mood for %s", mood)
		}
	}
	t.Logf("%d requests, %d records came twice, %v", endpoint.requests, twice, endpoint.bad)
}
