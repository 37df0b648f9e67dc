// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/internal/metric"
)

// Bounds of the endpoint: it serves a scraper and a probe, not the world.
const (
	// stillAfter is how long the reader of events may be silent and be called alive. It
	// reads several times a second; a machine that is short of processors is given time.
	stillAfter = 10 * time.Second
	// requestWithin bounds a request, from its first byte to the answer's last.
	requestWithin = 10 * time.Second
	maxHeader     = 16 << 10
)

// endpoint serves /metrics, /healthz and /readyz.
type endpoint struct {
	listener net.Listener
	server   *http.Server
	pulse    *pulse
	watching atomic.Bool
	// metrics is nil until there is an agent to ask.
	metrics atomic.Pointer[metric.Metrics]
	log     *zap.Logger
}

// listen takes hold of the address and answers from then on; "" means none, and a nil
// endpoint, whose methods do nothing.
func listen(address string, p *pulse, log *zap.Logger) (*endpoint, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics on %s: %w: choose another address by metrics (--metrics), or \"\" for none", address, errors.Unwrap(err))
	}
	e := &endpoint{listener: listener, pulse: p, log: log}
	e.serve()
	return e, nil
}

// serve answers until close.
func (e *endpoint) serve() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", e.scrape)
	mux.Handle("GET /healthz", check(e.health))
	mux.Handle("GET /readyz", check(e.readiness))
	e.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: requestWithin, ReadTimeout: requestWithin, WriteTimeout: requestWithin,
		IdleTimeout: time.Minute, MaxHeaderBytes: maxHeader, ErrorLog: zap.NewStdLog(e.log),
	}
	e.log.Info("metrics are served", zap.Stringer("address", e.listener.Addr()))
	go func() {
		if err := e.server.Serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("metrics are served no more", zap.Error(err))
		}
	}()
}

// scrape answers Prometheus.
func (e *endpoint) scrape(w http.ResponseWriter, r *http.Request) {
	if m := e.metrics.Load(); m != nil {
		m.Handler().ServeHTTP(w, r)
		return
	}
	http.Error(w, "no metrics yet: the hooks are being attached", http.StatusServiceUnavailable)
}

// show lets scrapes see the metrics.
func (e *endpoint) show(m *metric.Metrics) {
	if e != nil {
		e.metrics.Store(m)
	}
}

// ready tells that no event is missed from now on.
func (e *endpoint) ready() {
	if e != nil {
		e.watching.Store(true)
	}
}

// close lets go of the address. Answers that are under way have until ctx ends.
func (e *endpoint) close(ctx context.Context) {
	if e == nil {
		return
	}
	e.watching.Store(false)
	if e.server.Shutdown(ctx) != nil {
		_ = e.server.Close() // cut off
	}
}

// health tells why the agent is not alive, "" where it is.
func (e *endpoint) health() string {
	if age := e.pulse.age(); age > stillAfter {
		return fmt.Sprintf("events were not read for %s", age.Round(time.Second))
	}
	return ""
}

// readiness tells why the agent misses events, "" where it does not.
func (e *endpoint) readiness() string {
	if !e.watching.Load() {
		return "not watching: the hooks are being attached, or the agent is stopping"
	}
	return e.health()
}

// check answers 200 where there is nothing to say, else 503 with one line.
func check(why func() string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		word := why()
		if word == "" {
			word = "ok"
		} else {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, word)
	})
}
