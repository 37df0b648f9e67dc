// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/vm/image"
	"github.com/trapbpf/trapbpf/internal/vm/job"
)

func TestReplayMustGiveTheKeptRecords(t *testing.T) {
	fault := Recording{Name: "rp-filter-fault", want: "{\"a\":1}\n{\"a\":2}\n"}
	twin := Recording{Name: "rp-filter-loose-twin"}
	cases := []struct {
		recording Recording
		outcome   job.Outcome
		why       string
	}{
		{fault, job.Outcome{Code: 3, Stdout: fault.want, Ended: true}, ""},
		{fault, job.Outcome{Code: 3, Stdout: "{\"a\":1}\n{\"a\":3}\n", Ended: true}, `line 2, byte 6: "3}", not "2}"`},
		{fault, job.Outcome{Code: 3, Stdout: fault.want + "{}\n", Ended: true}, `line 3, byte 1: "{}", not ""`},
		{fault, job.Outcome{Code: 0, Ended: true}, `line 1, byte 1: ""`},
		{fault, job.Outcome{Code: 1, Stdout: fault.want, Stderr: "damaged\n", Ended: true}, "ended with 1: damaged"},
		{fault, job.Outcome{Stdout: fault.want, Stderr: "reading\n"}, "machine went down"},
		{twin, job.Outcome{Ended: true}, ""},
		{twin, job.Outcome{Code: 1, Stderr: "no such file\n", Ended: true}, "no such file"},
		{twin, job.Outcome{Code: 3, Stdout: "{\"a\":1}\n", Ended: true}, "other records"},
	}
	for _, c := range cases {
		c.outcome.Name = "replay/" + c.recording.Name
		r := Read("6.1-amd64", "6.1", []job.Outcome{c.outcome}, []Recording{fault, twin})
		if got := r.Replays[0]; (got.Why == "") != (c.why == "") || !strings.Contains(got.Why, c.why) {
			t.Errorf("%+v gives %q, want %q", c.outcome, got.Why, c.why)
		}
	}
}

func TestEveryRecordingIsReplayed(t *testing.T) {
	all, err := Recordings("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, brief := range []bool{false, true} {
		n := 0
		for _, j := range (Plan{Recordings: all, Brief: brief}).Boots(image.Target{Arch: "amd64"})[0].Script.Jobs {
			if strings.HasPrefix(j.Name, jobReplay) {
				n++
			}
		}
		if n != len(all) {
			t.Errorf("%d of %d recordings, brief %v", n, len(all), brief)
		}
	}
	for _, r := range all {
		if r.twin() != (r.want == "") {
			t.Errorf("%s must give %q", r.Name, r.want)
		}
	}
	if _, err := Recordings(t.TempDir()); err == nil {
		t.Error("a tree without recordings passed")
	}
}
