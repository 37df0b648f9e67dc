// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package trace is the format of recordings: the agent's stream of events as JSON,
// one event a line, after a header line that says which format it is.
//
// A recording holds every input of the engine, so replaying it gives the findings
// that the live run gave, byte for byte, on any machine.
package trace

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Format is the version that this package writes, and the newest it reads.
const Format = 1

// maxLine bounds a line of a recording. The longest event, a walk's result, stays
// far below; a longer line is no event of ours.
const maxLine = 1 << 20

// magic is the first field of a recording.
const magic = "recording"

// Header says how a recording was made. A replay takes its settings from it.
type Header struct {
	// Trapbpf is "recording".
	Trapbpf string `json:"trapbpf"`
	Format  int    `json:"format"`
	// Kernel, Architecture and Version tell what made it.
	Kernel       string `json:"kernel,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	Version      string `json:"version,omitempty"`
	// Quiet is the engine's quiet period, Traps the traps that were watched for.
	Quiet Duration `json:"quiet"`
	Traps []string `json:"traps,omitempty"`
	// Redacted tells what was replaced: "addresses", "names".
	Redacted []string `json:"redacted,omitempty"`
}

// line is one event with its kind.
type line struct {
	Kind  event.Kind      `json:"kind"`
	Event json.RawMessage `json:"event"`
}

// Duration is written as Go writes durations: "30s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("parse duration %q", text)
	}
	*d = Duration(parsed)
	return nil
}
