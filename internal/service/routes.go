// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/sink/cef"
	"github.com/trapbpf/trapbpf/internal/sink/columns"
	"github.com/trapbpf/trapbpf/internal/sink/ecs"
	"github.com/trapbpf/trapbpf/internal/sink/file"
	"github.com/trapbpf/trapbpf/internal/sink/http"
	"github.com/trapbpf/trapbpf/internal/sink/journald"
	"github.com/trapbpf/trapbpf/internal/sink/ocsf"
	"github.com/trapbpf/trapbpf/internal/sink/otlp"
	"github.com/trapbpf/trapbpf/internal/sink/spool"
	"github.com/trapbpf/trapbpf/internal/sink/stream"
	"github.com/trapbpf/trapbpf/internal/sink/syslog"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// stdout is the name of the sink that is there where no other is configured, or where
// output asks for it.
const stdout = "stdout"

// routes gives the sinks that a configuration asks for. What cannot even be made is an
// error that names the sink.
func (s *Service) routes(c config.Config) ([]sink.Route, error) {
	var routes []sink.Route
	for _, name := range slices.Sorted(maps.Keys(c.Sinks)) {
		of := c.Sinks[name]
		made, err := s.sink(c, name, of)
		if err != nil {
			return nil, fmt.Errorf("make sink %s: %w", name, err)
		}
		routes = append(routes, sink.Route{
			Sink:        made,
			MinSeverity: finding.Severity(max(c.MinSeverity, of.MinSeverity)),
			Queue:       of.Queue,
			Mark:        mark(c, of),
			// Standard output is for findings.
			FindingsOnly: of.Stdout != nil,
		})
	}
	if len(routes) == 0 || c.Output != "" {
		routes = append(routes, sink.Route{
			Sink:         stream.New(stdout, s.options.Stdout, encoder(c.Output, c.Color)),
			MinSeverity:  finding.Severity(c.MinSeverity),
			Mark:         c.Output + fmt.Sprint(c.MinSeverity),
			FindingsOnly: true,
		})
	}
	return routes, nil
}

// startAll lets the sinks take hold of what they need, so that what they cannot have is an
// error before the first event is read.
func startAll(routes []sink.Route) error {
	for i, route := range routes {
		s, ok := route.Sink.(sink.Starter)
		if !ok {
			continue
		}
		if err := s.Start(); err != nil {
			return err
		}
		routes[i].Started = true
	}
	return nil
}

// mark tells whether a reload changed anything of a sink.
func mark(c config.Config, of config.Sink) string {
	text, err := yaml.Marshal(of)
	if err != nil {
		return "" // never the same: the sink is made anew
	}
	return fmt.Sprintf("%d %s", c.MinSeverity, text)
}

// sink makes one sink. Those that are reached by the network stand behind a spool.
func (s *Service) sink(c config.Config, name string, of config.Sink) (sink.Sink, error) {
	switch {
	case of.Stdout != nil:
		return stream.New(name, s.options.Stdout, encoder(of.Encoding, "")), nil
	case of.File != nil:
		return file.New(name, *of.File, encoder(of.Encoding, "")), nil
	}
	remote, err := s.remote(name, of)
	if err != nil {
		return nil, err
	}
	return spool.New(remote, encoder(of.Encoding, ""), spool.Options{
		Dir:    filepath.Join(c.StateDirectory, "spool", url.PathEscape(name)),
		Limit:  of.Spool,
		Report: s.report,
	}), nil
}

func (s *Service) remote(name string, of config.Sink) (sink.Remote, error) {
	switch {
	case of.Syslog != nil:
		return syslog.New(name, *of.Syslog)
	case of.HTTP != nil:
		return http.New(name, *of.HTTP)
	case of.OTLP != nil:
		return otlp.New(name, s.options.Version, *of.OTLP)
	default:
		return journald.New(name), nil
	}
}

func encoder(word, color string) sink.Encoder {
	switch word {
	case "columns":
		return &columns.Encoder{Options: columns.Options{Color: color == "always", Location: time.Local}}
	case "ocsf":
		return ocsf.Encoder{}
	case "cef":
		return cef.Encoder{}
	default:
		return ecs.Encoder{}
	}
}
