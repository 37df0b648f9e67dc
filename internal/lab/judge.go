// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// afterFix is how long after the fix a record may still tell of what came before.
const afterFix = 2 * time.Second

// judge compares what was told with what happened, while the namespaces are there.
func (r *run) judge() {
	reading := r.meter.read()
	if r.result.Times.Undone != 0 {
		reading = r.then // what came after the undo is another story
	}
	r.result.Traffic = reading.String()
	if !reading.Symptom.IsZero() {
		r.result.Times.Symptom = reading.Symptom.Sub(r.begun)
	}
	cutShort := r.result.Verdict == FalseAlarm
	if err := r.stage.proof(reading); err != nil && !cutShort {
		r.result.problem("%v", err)
	}
	r.judgeTimes()
	if r.stage.judge != nil && r.complete() {
		r.result.Problems = append(r.result.Problems, r.stage.judge(reading, &r.result)...)
	}
	if r.result.Resident > residentLimit {
		r.result.problem("the agent had %d MB resident, not %d at most", r.result.Resident>>20, residentLimit>>20)
	}
}

// complete tells whether the run came to its planned end.
func (r *run) complete() bool {
	return r.result.Verdict == Found && (r.Scenario.cut || r.result.last != nil)
}

// expect adds to wrong where a record tells something else than what is true.
func expect[T comparable](wrong []string, what string, told, truth T) []string {
	if told == truth {
		return wrong
	}
	return append(wrong, fmt.Sprintf("%s is told as %v, and is %v", what, told, truth))
}

func (r *run) judgeTimes() {
	s, result := r.Scenario, &r.result
	if result.Verdict != Found {
		return
	}
	delay, measured := result.Delay()
	if s.ahead && measured && delay > 0 {
		result.problem("the forecast came %s after the first failure", seconds(delay))
	}
	if s.budget == 0 || r.Relaxed {
		return
	}
	if !measured {
		result.problem("the record came without any symptom")
	} else if delay > s.budget {
		result.problem("the record came %s after the first symptom, not within %s", seconds(delay), s.budget)
	}
	if certainty, ok := result.Certainty(); ok && certainty > s.sure {
		result.problem("the confirmation came %s after the first symptom, not within %s", seconds(certainty), s.sure)
	}
}

// judgeAlarms looks for alarms that do not belong to the scenario, and for any that
// came although the fault was mended.
func (r *run) judgeAlarms(tellings []telling) {
	for _, t := range tellings {
		detail := t.doc.Trapbpf
		what := fmt.Sprintf("%s/%s: %s", detail.Trap, detail.Cause, t.doc.Message)
		if !r.Scenario.expects(detail.Trap, detail.Cause) {
			r.result.Verdict = FalseAlarm
			r.result.problem("false alarm %s", what)
			continue
		}
		fixed := r.result.Times.Fixed
		late := t.at.Sub(r.begun) - fixed
		undone := r.result.Times.Undone
		if undone != 0 && t.at.Sub(r.begun) > undone {
			continue
		}
		if fixed != 0 && late > afterFix && t.doc.Event.Action == finding.Opened {
			r.result.problem("opened %s after the fix: %s", seconds(late), what)
		}
	}
}

// peakMemory reads a process's highest resident memory in bytes, 0 where the
// process is gone.
func peakMemory(pid int) uint64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 3 && words[0] == "VmHWM:" {
			n, _ := strconv.ParseUint(words[1], 10, 64) // the kernel's own format
			return n << 10
		}
	}
	return 0
}
