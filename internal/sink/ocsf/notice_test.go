// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ocsf_test

import (
	"testing"

	"github.com/trapbpf/trapbpf/internal/golden"
	"github.com/trapbpf/trapbpf/internal/golden/sample"
)

func TestNoticesAreWhatTheGoldenHolds(t *testing.T) {
	var lines []byte
	for _, s := range sample.Notices() {
		lines = append(lines, encode(t, s.Record)...)
	}
	golden.Check(t, "testdata/notices.jsonl", lines)
}

// What the class requires in 1.8.0.
func TestNoticesAreBaseEvents(t *testing.T) {
	for _, s := range sample.Notices() {
		e := decode(t, s.Record)
		for _, path := range [][]any{{"activity_id"}, {"category_uid"}, {"class_uid"}, {"type_uid"}, {"severity_id"}, {"time"},
			{"metadata", "version"}, {"metadata", "product", "vendor_name"}} {
			if at(e, path...) == nil {
				t.Errorf("%s lacks %v", s.Name, path)
			}
		}
		if e["class_uid"] != 0.0 || e["category_uid"] != 0.0 || e["type_uid"] != e["activity_id"] {
			t.Errorf("%s: class %v, category %v, type %v", s.Name, e["class_uid"], e["category_uid"], e["type_uid"])
		}
	}
}
