// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/engine"
	"github.com/trapbpf/trapbpf/internal/golden"
	"github.com/trapbpf/trapbpf/internal/trap/all"
	"github.com/trapbpf/trapbpf/pkg/finding"
	"github.com/trapbpf/trapbpf/pkg/trace"
)

// Recordings of a fault end in -fault.jsonl, those of its innocent twin in
// -twin.jsonl, in the testdata of the trap that they are about.
const (
	faultEnd = "-fault.jsonl"
	twinEnd  = "-twin.jsonl"
)

func recordings(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../trap/*/testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	return files
}

// replayed gives the records of a recording, as lines.
func replayed(t *testing.T, path string) []byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() // only read
	reader, err := trace.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []byte
	e := engine.New(all.Detectors(), time.Duration(reader.Header().Quiet), engine.Out{Record: func(r *finding.Record) {
		line, err := finding.AppendJSON(nil, r)
		if err != nil {
			t.Error(err)
		}
		lines = append(append(lines, line...), '\n')
	}})
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		e.Observe(ev)
	}
}

func TestRecordedFaultsAreFound(t *testing.T) {
	for _, path := range recordings(t) {
		if !strings.HasSuffix(path, faultEnd) {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			got := replayed(t, path)
			if len(got) == 0 {
				t.Fatal("nothing was found")
			}
			golden.Check(t, strings.TrimSuffix(path, ".jsonl")+".golden", got)
		})
	}
}

func TestRecordedTwinsStaySilent(t *testing.T) {
	for _, path := range recordings(t) {
		if !strings.HasSuffix(path, twinEnd) {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			if got := replayed(t, path); len(got) > 0 {
				t.Errorf("false alarm: %s", got)
			}
		})
	}
}

func TestEveryRecordingIsFaultOrTwin(t *testing.T) {
	for _, path := range recordings(t) {
		if !strings.HasSuffix(path, faultEnd) && !strings.HasSuffix(path, twinEnd) {
			t.Errorf("%s is neither %s nor %s", path, faultEnd, twinEnd)
		}
	}
}
