// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package ecs encodes records as JSON lines in the Elastic Common Schema: what
// `--output json` gives.
package ecs

import "github.com/trapbpf/trapbpf/pkg/finding"

// Encoder is a sink.Encoder. Its lines are at most finding.MaxLine bytes long.
type Encoder struct{}

// Append implements sink.Encoder.
func (Encoder) Append(dst []byte, r *finding.Record) ([]byte, error) {
	line, err := finding.AppendJSON(dst, r)
	if err != nil {
		return dst, err
	}
	return append(line, '\n'), nil
}
