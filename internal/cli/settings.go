// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"runtime"

	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// settings are the flags that watch, record and replay share, understood.
type settings struct {
	traps    []finding.Trap
	severity finding.Severity
	format   string
	color    bool
}

// parse understands the shared flags. Errors are usage errors.
func (f *watchFlags) parse(env Environment) (settings, error) {
	var s settings
	var err error
	if s.traps, err = parseTraps(f.traps); err != nil {
		return s, err
	}
	if s.severity, err = config.ParseSeverity(f.minSeverity); err != nil {
		return s, usageError{err}
	}
	if f.quiet <= 0 {
		return s, usagef("--quiet-period must be longer than nothing, e.g. 30s")
	}
	if f.duration < 0 {
		return s, usagef("--for must not be negative, e.g. 30s")
	}
	if s.format, err = f.format(env); err != nil {
		return s, err
	}
	s.color, err = f.colored(env)
	return s, err
}

func (f *watchFlags) format(env Environment) (string, error) {
	if f.output == "" {
		if env.StdoutTerminal {
			return "columns", nil
		}
		return "json", nil
	}
	return f.output, parseChoice("output", f.output, formats())
}

// colored decides on colour: never where NO_COLOR is set (no-color.org), unless it
// was asked for by name.
func (f *watchFlags) colored(env Environment) (bool, error) {
	if err := parseChoice("color", f.color, colorChoices()); err != nil {
		return false, err
	}
	return env.colored(f.color), nil
}

// colored decides for one of the words of --color.
func (env Environment) colored(word string) bool {
	switch word {
	case "always":
		return true
	case "never":
		return false
	default:
		return env.StdoutTerminal && env.Getenv("NO_COLOR") == "" && env.Getenv("TERM") != "dumb"
	}
}

func architecture() string { return runtime.GOARCH }
