// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func TestNoticesOfOneSubjectAreToldOnceAMinute(t *testing.T) {
	n := newNotices(finding.Host{Name: "h"})
	var told []*finding.Record
	now := time.Now()
	flush := func() { n.flush(now, func(r *finding.Record) { told = append(told, r) }) }
	fresh := 0
	for i := range uint64(1000) {
		if n.add(finding.EventsLost, finding.Medium, "m", finding.Notice{Kind: "drop", Stage: "ring", Count: i + 1}) {
			fresh++
		}
		now = now.Add(50 * time.Millisecond)
		flush()
	}
	if len(told) != 1 || told[0].Notice.Count != 1 || told[0].ID == "" || told[0].Host.Name != "h" {
		t.Fatalf("%d records in 50 s: %+v", len(told), told)
	}
	if fresh != 1 {
		t.Errorf("%d of them were called news", fresh)
	}
	now = now.Add(11 * time.Second)
	flush()
	if len(told) != 2 || told[1].Notice.Count != 1000 || told[1].ID == told[0].ID {
		t.Fatalf("after a minute %+v", told)
	}
	now = now.Add(time.Hour)
	flush()
	if len(told) != 2 {
		t.Errorf("what did not change is told again: %+v", told)
	}
	n.add(finding.EventsLost, finding.Medium, "m", finding.Notice{Kind: "drop", Stage: "map"})
	n.add(finding.SinkFailing, finding.Medium, "m", finding.Notice{Sink: "a", Why: errors.ErrUnsupported.Error()})
	flush()
	if len(told) != 4 {
		t.Errorf("two more subjects are %d records more", len(told)-2)
	}
}

func TestNoticesAreBounded(t *testing.T) {
	n := newNotices(finding.Host{})
	for i := range 3 * maxSubjects {
		n.add(finding.SinkFailing, finding.Medium, "m", finding.Notice{Sink: fmt.Sprint(i)})
	}
	count, now := 0, time.Now()
	for range 3 {
		n.flush(now, func(*finding.Record) { count++ })
	}
	if count != maxSubjects || len(n.newest)+len(n.waiting) != 0 {
		t.Errorf("%d told, %d remembered", count, len(n.newest)+len(n.waiting))
	}
}
