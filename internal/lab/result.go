// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Verdict is how a run ended.
type Verdict string

// The verdicts. Found and Silent are the good ones, of a fault and of a twin.
const (
	Found      Verdict = "found"
	Missed     Verdict = "missed"
	FalseAlarm Verdict = "false-alarm"
	Silent     Verdict = "silent"
)

// Times are the moments of a run, each counted from the start of the traffic; 0
// where it never came.
type Times struct {
	// Symptom is when the fault first hurt: the first drop, the first call that
	// failed.
	Symptom time.Duration `json:"symptom,omitempty"`
	// Found is when the record could be read from the agent's output.
	Found time.Duration `json:"found,omitempty"`
	// Confirmed is when a record said that it is sure, where that is awaited.
	Confirmed time.Duration `json:"confirmed,omitempty"`
	// Fixed is when the fix had been run, Healed when a try of the traffic first
	// went well after it, Resolved when the agent said so.
	Fixed    time.Duration `json:"fixed,omitempty"`
	Healed   time.Duration `json:"healed,omitempty"`
	Resolved time.Duration `json:"resolved,omitempty"`
	// Undone is when the fix had been taken back, Again when the fault was found anew.
	Undone time.Duration `json:"undone,omitempty"`
	Again  time.Duration `json:"again,omitempty"`
}

// Result is what came of one run.
type Result struct {
	Scenario string `json:"scenario"`
	View     string `json:"view"`
	// Expected is the cause that had to be found, "silence" for a twin.
	Expected string  `json:"expected"`
	Verdict  Verdict `json:"verdict"`
	// Audit is what `check` said before the traffic: the level at which it named the
	// fault, "nothing", or "false alarm".
	Audit string `json:"audit"`
	Times Times  `json:"times"`
	// Records are the agent's finding records, as it wrote them.
	Records []json.RawMessage `json:"records,omitempty"`
	// Fix is the finding's first fix; Followed is true where it was advice that
	// the scenario's program followed, rather than a setting that was run.
	Fix      string `json:"fix,omitempty"`
	Followed bool   `json:"followed,omitempty"`
	// Verified is what `verify` said once the finding was resolved, and once the fault was
	// back.
	Verified []string `json:"verified,omitempty"`
	// Traffic is what the traffic saw, in words.
	Traffic string `json:"traffic"`
	// Resident is the agent's highest resident memory, in bytes; Stop how long it
	// took to exit once told to.
	Resident uint64        `json:"resident"`
	Stop     time.Duration `json:"stop"`
	// Notes are measurements; Problems all that was not as promised.
	Notes    []string `json:"notes,omitempty"`
	Problems []string `json:"problems,omitempty"`

	// first and last are the expected finding's first record and its resolved one,
	// sure the one after which it was mended.
	first, sure, last *finding.Document
	// then is what the traffic had seen at the first record, after how long.
	then  reading
	after time.Duration
}

// Good tells whether everything was as promised.
func (r *Result) Good() bool {
	return len(r.Problems) == 0 && (r.Verdict == Found || r.Verdict == Silent)
}

// Delay is from the first symptom to the record: negative for a forecast that
// came first. False where there was no record or no symptom.
func (r *Result) Delay() (time.Duration, bool) {
	if r.Times.Found == 0 || r.Times.Symptom == 0 {
		return 0, false
	}
	return r.Times.Found - r.Times.Symptom, true
}

// Certainty is from the first symptom to the confirmed record; false where none was
// awaited, or there was no symptom.
func (r *Result) Certainty() (time.Duration, bool) {
	if r.Times.Confirmed == 0 || r.Times.Symptom == 0 {
		return 0, false
	}
	return r.Times.Confirmed - r.Times.Symptom, true
}

// Recovery is from the fix to the resolved record; false where there was no fix or
// no such record.
func (r *Result) Recovery() (time.Duration, bool) {
	if r.Times.Resolved == 0 || r.Times.Fixed == 0 {
		return 0, false
	}
	return r.Times.Resolved - r.Times.Fixed, true
}

// Relapse is from the undo to the record that has found the fault again; false where
// that was not tried, or there was no such record.
func (r *Result) Relapse() (time.Duration, bool) {
	if r.Times.Again == 0 {
		return 0, false
	}
	return r.Times.Again - r.Times.Undone, true
}

func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *Result) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}
