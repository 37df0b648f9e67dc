// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/trapbpf/trapbpf/internal/nearest"
	"github.com/trapbpf/trapbpf/internal/sink/spool"
	"github.com/trapbpf/trapbpf/internal/trap/all"
)

// problem is a mistake that only shows in the whole: the path of the key, and what is
// wrong with it.
type problem struct {
	path []string
	text string
}

// checker is what every kind of sink's options are: they know which key is wrong.
type checker interface {
	// Check gives the first key that is wrong, with what is wrong about it; "" and nil
	// where all is well.
	Check() (key string, err error)
}

// check finds the first mistake in the whole, nil where there is none.
func (c Config) check() *problem {
	if c.QuietPeriod <= 0 {
		return &problem{[]string{"quiet-period"}, "must be longer than nothing, e.g. 30s"}
	}
	if c.For < 0 {
		return &problem{[]string{"for"}, "must not be negative, e.g. 30s"}
	}
	if p := choose(c.Output, []string{"", "columns", "json", "ocsf", "cef"}, "output"); p != nil {
		return p
	}
	if p := choose(c.Color, []string{"auto", "always", "never"}, "color"); p != nil {
		return p
	}
	if p := choose(c.LogLevel, []string{"debug", "info", "warn", "error"}, "log-level"); p != nil {
		return p
	}
	if p := checkAddress(c.Metrics, "metrics"); p != nil {
		return p
	}
	for _, word := range c.Trap {
		if p := choose(word, traps(), "trap"); p != nil {
			return p
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Sinks)) {
		if p := c.Sinks[name].check([]string{"sinks", name}); p != nil {
			return p
		}
	}
	return nil
}

// checkAddress wants HOST:PORT, or nothing.
func checkAddress(address string, path ...string) *problem {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return &problem{path, fmt.Sprintf("%q is no address to listen on: give HOST:PORT, e.g. 127.0.0.1:9847, or \"\" for none", address)}
	}
	return nil
}

// traps lists the traps that this build knows.
func traps() []string {
	var names []string
	for _, d := range all.Detectors() {
		names = append(names, string(d.Trap()))
	}
	return names
}

func choose(word string, known []string, path ...string) *problem {
	if slices.Contains(known, word) {
		return nil
	}
	known = slices.DeleteFunc(slices.Clone(known), func(w string) bool { return w == "" })
	return &problem{path, fmt.Sprintf("unknown word %q%s", word, nearest.Hint(word, known, "give "+strings.Join(known, ", ")))}
}

// check holds one sink against the rules: one kind, known words, and its own.
func (s Sink) check(path []string) *problem {
	kinds := s.kinds()
	if len(kinds) != 1 {
		text := "names no kind of sink: give one of " + strings.Join(kindNames(), ", ")
		if len(kinds) > 1 {
			text = "is " + strings.Join(slices.Sorted(maps.Keys(kinds)), " and ") + " at once: give each a sink of its own"
		}
		return &problem{path, text}
	}
	if s.Queue < 0 {
		return &problem{append(path, "queue"), "must not be negative"}
	}
	if p := choose(s.Encoding, []string{"", "ecs", "ocsf", "cef"}, append(path, "encoding")...); p != nil {
		return p
	}
	if p := s.checkForm(path); p != nil {
		return p
	}
	for kind, options := range kinds {
		if c, ok := options.(checker); ok {
			if key, err := c.Check(); err != nil {
				return &problem{append(path, append([]string{kind}, strings.Split(key, ".")...)...), err.Error()}
			}
		}
	}
	return nil
}

// checkForm holds the keys against each other that not every kind obeys.
func (s Sink) checkForm(path []string) *problem {
	direct := s.Stdout != nil || s.File != nil
	switch {
	case s.Spool != 0 && direct:
		return &problem{append(path, "spool"), "is for sinks that are reached by the network: stdout and file are written at once"}
	case s.Spool != 0 && s.Spool < spool.MinLimit:
		return &problem{append(path, "spool"), "must be 256KiB or more"}
	case (s.OTLP != nil || s.Journald != nil) && s.Encoding != "" && s.Encoding != "ecs":
		return &problem{append(path, "encoding"), "has a form of its own in this kind of sink: leave it out"}
	}
	return nil
}

// kinds gives the kinds that the sink names: its fields that are pointers.
func (s Sink) kinds() map[string]any {
	kinds := map[string]any{}
	v := reflect.ValueOf(s)
	for f := range fields(v.Type()) {
		if value := v.FieldByIndex(f.Index); value.Kind() == reflect.Pointer && !value.IsNil() {
			kinds[keyOf(f)] = value.Interface()
		}
	}
	return kinds
}

func kindNames() []string {
	var names []string
	for f := range fields(reflect.TypeFor[Sink]()) {
		if f.Type.Kind() == reflect.Pointer {
			names = append(names, keyOf(f))
		}
	}
	return names
}

// in gives the problem the place where the strongest layer names its key, or the
// nearest key above it.
func (p *problem) in(layers []layer) *Error {
	best, depth := &Error{}, 0
	for _, l := range layers {
		var document yaml.Node
		if yaml.Unmarshal(l.text, &document) != nil || len(document.Content) == 0 {
			continue
		}
		if line, at := find(document.Content[0], p.path); at > 0 && at >= depth {
			best, depth = l.place(line, ""), at
		}
	}
	best.Text = strings.Join(p.path, ".") + ": " + p.text
	return best
}

// find gives the line of the deepest key of path, and how deep that is.
func find(node *yaml.Node, path []string) (line, depth int) {
	if node.Kind != yaml.MappingNode || len(path) == 0 {
		return 0, 0
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value != path[0] {
			continue
		}
		if line, depth := find(node.Content[i+1], path[1:]); depth > 0 {
			return line, depth + 1
		}
		return node.Content[i].Line, 1
	}
	return 0, 0
}
