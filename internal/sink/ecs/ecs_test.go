// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ecs_test

import (
	"bytes"
	"testing"

	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/internal/sink/ecs"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func TestEachRecordIsOneLineOfLimitedLength(t *testing.T) {
	var stream []byte
	for _, s := range sample.All() {
		before := len(stream)
		var err error
		if stream, err = (ecs.Encoder{}).Append(stream, s.Record); err != nil {
			t.Fatal(err)
		}
		if n := len(stream) - before; n > finding.MaxLine {
			t.Errorf("%s has %d bytes", s.Name, n)
		}
	}
	lines := bytes.Split(bytes.TrimSuffix(stream, []byte("\n")), []byte("\n"))
	if len(lines) != len(sample.All()) {
		t.Fatalf("%d records gave %d lines", len(sample.All()), len(lines))
	}
	for i, line := range lines {
		if doc, err := finding.ParseRecord(line); err != nil || doc.Event.ID != sample.All()[i].Record.ID {
			t.Errorf("line %d: %v", i, err)
		}
	}
}
