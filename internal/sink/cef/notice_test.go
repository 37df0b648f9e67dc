// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cef_test

import (
	"testing"

	"github.com/trapbpf/trapbpf/internal/golden"
	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/internal/sink/cef"
)

func TestNoticesAreWhatTheGoldenHolds(t *testing.T) {
	var lines []byte
	for _, s := range sample.Notices() {
		var err error
		if lines, err = (cef.Encoder{}).Append(lines, s.Record); err != nil {
			t.Fatal(err)
		}
	}
	golden.Check(t, "testdata/notices.cef", string(lines))
}
