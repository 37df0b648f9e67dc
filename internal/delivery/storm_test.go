// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/sink/ecs"
	"github.com/trapbpf/trapbpf/internal/sink/spool"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

const (
	findings = 100 // in a storm
	each     = 10  // records of a finding: opened, updates, resolved
)

// storm is a thousand records, those of the findings interleaved.
type storm struct {
	records []*finding.Record
	lines   map[string]string // by event.id, as they must arrive
}

func newStorm(t *testing.T) *storm {
	t.Helper()
	s := &storm{lines: map[string]string{}}
	for step := range each {
		for of := range findings {
			s.add(t, of, step)
		}
	}
	return s
}

func (s *storm) add(t *testing.T, of, step int) {
	t.Helper()
	action := finding.Updated
	switch step {
	case 0:
		action = finding.Opened
	case each - 1:
		action = finding.Closed
	}
	r := sample.RPFilter(action)
	r.Sequence = uint64(len(s.records) + 1)
	r.ID = fmt.Sprintf("019585a0-0000-7000-8000-%012d", r.Sequence)
	r.Finding.ID = fmt.Sprintf("storm%d", of)
	if of%10 == 0 { // JSON's and the transports' own characters
		r.Process = sample.Hostile().Process
	}
	if of == findings-1 { // as long as a record can be
		r.Evidence = sample.Giant().Evidence
	}
	line, err := ecs.Encoder{}.Append(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	s.records = append(s.records, r)
	s.lines[r.ID] = strings.TrimSuffix(string(line), "\n")
}

// place is what of a record says which it is.
type place struct {
	Event struct {
		ID       string
		Sequence uint64
	}
	Trapbpf struct{ Finding struct{ ID string } }
}

// check holds what arrived against what was sent: every line is one of the records, byte
// for byte, and all are there in order. It gives how many came twice.
func (s *storm) check(t *testing.T, lines []string) (twice int) {
	t.Helper()
	var places []place
	for _, line := range lines {
		var of place
		if err := json.Unmarshal([]byte(line), &of); err != nil {
			t.Fatalf("not JSON: %v: %.200q", err, line)
		}
		if id := of.Event.ID; s.lines[id] != line {
			t.Fatalf("record %s arrived as %.300q, was sent as %.300q", id, line, s.lines[id])
		}
		places = append(places, of)
	}
	return s.order(t, places)
}

// order holds that each record is there, and that those of a finding came in order, but
// for repeats of what was there already. It gives how many came twice.
func (s *storm) order(t *testing.T, arrived []place) (twice int) {
	t.Helper()
	seen, newest := map[string]bool{}, map[string]uint64{}
	for _, of := range arrived {
		id, in := of.Event.ID, of.Trapbpf.Finding.ID
		if seen[id] {
			twice++
			continue
		}
		if of.Event.Sequence < newest[in] {
			t.Errorf("finding %s: record %d came after %d", in, of.Event.Sequence, newest[in])
		}
		seen[id], newest[in] = true, of.Event.Sequence
	}
	for _, r := range s.records {
		if !seen[r.ID] {
			t.Errorf("record %d (%s of %s) is lost", r.Sequence, r.Action, r.Finding.ID)
		}
	}
	return twice
}

// missing counts the records of the storm that are not among the lines.
func (s *storm) missing(lines []string) int {
	there := map[string]bool{}
	for _, line := range lines {
		var of place
		if json.Unmarshal([]byte(line), &of) == nil {
			there[of.Event.ID] = true
		}
	}
	return len(s.records) - len(there)
}

// spooled gives a sink before a remote, started, with its spool in a folder of the test.
func spooled(t *testing.T, to sink.Remote) *spool.Sink {
	t.Helper()
	s := spool.New(to, ecs.Encoder{}, spool.Options{
		Dir: filepath.Join(t.TempDir(), "spool"),
		Report: func(r sink.Report) {
			t.Logf("sink %s: %v, recovered %v, dropped %d", r.Sink, r.Err, r.Recovered, r.Dropped)
		},
	})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// send writes the records, in a goroutine of the caller's choice.
func (s *storm) send(t *testing.T, to *spool.Sink) {
	for _, r := range s.records {
		if err := to.Write(r); err != nil {
			t.Errorf("write record %d: %v", r.Sequence, err)
		}
	}
}
