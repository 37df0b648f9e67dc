// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package columns_test

import (
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/golden"
	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/internal/sink/columns"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func summary(t *columns.Tally, losses ...columns.Loss) string {
	return string(columns.Encoder{}.AppendSummary(nil, t, 130*time.Second, losses))
}

func TestSummaryIsWhatTheGoldenHolds(t *testing.T) {
	tally := columns.NewTally()
	for _, s := range sample.All() {
		tally.Add(s.Record)
	}
	golden.Check(t, "testdata/summary.txt", summary(tally, columns.Loss{What: "drop events", Count: 12}, columns.Loss{What: "ticks"}))
}

func TestTallyCountsFindingsAndNotRecords(t *testing.T) {
	tally := columns.NewTally()
	for _, action := range []finding.Action{finding.Opened, finding.Updated, finding.Updated} {
		tally.Add(sample.RPFilter(action))
	}
	if text := summary(tally); !strings.Contains(text, "1 finding in 2 min 10 s: 1 open, 0 resolved") {
		t.Errorf("while open: %s", text)
	}
	tally.Add(sample.RPFilter(finding.Closed))
	if text := summary(tally); !strings.Contains(text, "1 finding in 2 min 10 s: 0 open, 1 resolved") {
		t.Errorf("once resolved: %s", text)
	}
}

func TestTallyCountsAFindingWhoseOpeningItMissed(t *testing.T) {
	tally := columns.NewTally()
	tally.Add(sample.RPFilter(finding.Closed))
	if text := summary(tally); !strings.Contains(text, "1 finding in 2 min 10 s: 0 open, 1 resolved") {
		t.Errorf("got %s", text)
	}
}

func TestSummaryOfAQuietWatchSaysSo(t *testing.T) {
	if text := summary(columns.NewTally()); !strings.Contains(text, "nothing found in 2 min 10 s") {
		t.Errorf("got %s", text)
	}
}
