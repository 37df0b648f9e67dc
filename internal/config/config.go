// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package config is what the service is told: its files, the environment and flags
// as one typed value.
//
// The layers are, each stronger than the one before: the defaults, the main file, the
// files of conf.d beside it in the order of their names, variables TRAPBPF_*, and the
// flags given. Every layer is YAML decoded into the same value, so a key means the same
// wherever it stands, and an unknown key is an error in all of them.
package config

import (
	"time"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/sink/file"
	"github.com/trapbpf/trapbpf/internal/sink/http"
	"github.com/trapbpf/trapbpf/internal/sink/journald"
	"github.com/trapbpf/trapbpf/internal/sink/otlp"
	"github.com/trapbpf/trapbpf/internal/sink/syslog"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// DefaultPath is the main file where no other is named. It may be missing.
const DefaultPath = "/etc/trapbpf/trapbpf.yaml"

// Config is the whole configuration. Keys that are flags, too, have the flag's name.
type Config struct {
	// Trap and Netns narrow what is watched; empty means all.
	Trap  []string `yaml:"trap"`
	Netns []string `yaml:"netns"`
	// QuietPeriod is how long a condition must not show before its finding is resolved.
	QuietPeriod time.Duration `yaml:"quiet-period"`
	// MinSeverity is the lowest severity that any sink is told.
	MinSeverity Severity `yaml:"min-severity"`
	// Output and Color are the form of what goes to standard output.
	Output string `yaml:"output"`
	Color  string `yaml:"color"`
	// Confirm allows active probes.
	Confirm bool `yaml:"confirm"`
	// For ends the run after this time; 0 means never.
	For time.Duration `yaml:"for"`
	// LogLevel is the lowest level of the agent's own log on stderr.
	LogLevel string `yaml:"log-level"`
	// StateDirectory is where the agent keeps what must outlive it.
	StateDirectory string `yaml:"state-directory"`
	// Metrics is the address, HOST:PORT, that answers Prometheus and health checks; ""
	// means none.
	Metrics string `yaml:"metrics"`
	// Sinks are the places that findings go to, by a name of the user's choice.
	Sinks map[string]Sink `yaml:"sinks"`
}

// Sink is one place that findings go to: the common keys and exactly one kind.
type Sink struct {
	// MinSeverity is the lowest severity that this sink is told.
	MinSeverity Severity `yaml:"min-severity"`
	// Encoding is how a record is written: ecs, ocsf or cef.
	Encoding string `yaml:"encoding"`
	// Queue is how many records may wait in memory.
	Queue int `yaml:"queue"`

	Stdout   *Stdout           `yaml:"stdout"`
	File     *file.Options     `yaml:"file"`
	Syslog   *syslog.Options   `yaml:"syslog"`
	Journald *journald.Options `yaml:"journald"`
	HTTP     *http.Options     `yaml:"http"`
	OTLP     *otlp.Options     `yaml:"otlp"`

	// Spool is how many bytes may wait on disk for a sink that is not written at once:
	// all but stdout and file.
	Spool sink.Size `yaml:"spool"`
}

// Stdout has no keys of its own.
type Stdout struct{}

// Severity is a finding's severity, read from its word or its number.
type Severity finding.Severity

// Default gives what holds where nothing is said.
func Default() Config {
	return Config{
		QuietPeriod:    30 * time.Second,
		MinSeverity:    Severity(finding.Low),
		Color:          "auto",
		LogLevel:       "info",
		StateDirectory: "/var/lib/trapbpf",
		Metrics:        "127.0.0.1:9847",
	}
}
