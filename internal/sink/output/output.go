// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package output names the encodings that `--output` takes.
package output

import (
	"fmt"
	"strings"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/sink/cef"
	"github.com/trapbpf/trapbpf/internal/sink/columns"
	"github.com/trapbpf/trapbpf/internal/sink/ecs"
	"github.com/trapbpf/trapbpf/internal/sink/ocsf"
)

// The names that `--output` takes.
const (
	Columns = "columns"
	JSON    = "json"
	OCSF    = "ocsf"
	CEF     = "cef"
)

// Names gives them all, in the order in which help shows them.
func Names() []string { return []string{Columns, JSON, OCSF, CEF} }

// Default is what is meant where nobody said: people read a terminal, programs
// everything else.
func Default(terminal bool) string {
	if terminal {
		return Columns
	}
	return JSON
}

// Encoder gives the encoder of that name. Options matter to columns only.
func Encoder(name string, o columns.Options) (sink.Encoder, error) {
	switch name {
	case Columns:
		return columns.Encoder{Options: o}, nil
	case JSON:
		return ecs.Encoder{}, nil
	case OCSF:
		return ocsf.Encoder{}, nil
	case CEF:
		return cef.Encoder{}, nil
	default:
		return nil, fmt.Errorf("unknown output %q: choose one of %s", name, strings.Join(Names(), ", "))
	}
}
