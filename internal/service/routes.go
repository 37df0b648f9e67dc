// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/sink/cef"
	"github.com/trapbpf/trapbpf/internal/sink/columns"
	"github.com/trapbpf/trapbpf/internal/sink/ecs"
	"github.com/trapbpf/trapbpf/internal/sink/file"
	"github.com/trapbpf/trapbpf/internal/sink/ocsf"
	"github.com/trapbpf/trapbpf/internal/sink/stream"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// stdout is the name of the sink that is there where no other is configured, or where
// output asks for it.
const stdout = "stdout"

// routes gives the sinks that a configuration asks for.
func (s *Service) routes(c config.Config) []sink.Route {
	var routes []sink.Route
	for _, name := range slices.Sorted(maps.Keys(c.Sinks)) {
		of := c.Sinks[name]
		routes = append(routes, sink.Route{
			Sink:        s.sink(name, of),
			MinSeverity: finding.Severity(max(c.MinSeverity, of.MinSeverity)),
			Queue:       of.Queue,
			Mark:        mark(c, of),
		})
	}
	if len(routes) == 0 || c.Output != "" {
		routes = append(routes, sink.Route{
			Sink:        stream.New(stdout, s.options.Stdout, encoder(c.Output, c.Color)),
			MinSeverity: finding.Severity(c.MinSeverity),
			Mark:        c.Output + fmt.Sprint(c.MinSeverity),
		})
	}
	return routes
}

// mark tells whether a reload changed anything of a sink.
func mark(c config.Config, of config.Sink) string {
	text, err := yaml.Marshal(of)
	if err != nil {
		return "" // never the same: the sink is made anew
	}
	return fmt.Sprintf("%d %s", c.MinSeverity, text)
}

func (s *Service) sink(name string, of config.Sink) sink.Sink {
	switch {
	case of.File != nil:
		return file.New(name, *of.File, encoder(of.Encoding, ""))
	default:
		return stream.New(name, s.options.Stdout, encoder(of.Encoding, ""))
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
