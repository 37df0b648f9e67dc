// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package ocsf encodes records as Detection Findings (class 2004) of the Open
// Cybersecurity Schema Framework 1.8.0, one JSON object a line: what `--output ocsf`
// gives.
//
// Opened, updated and resolved are the activities Create, Update and Close. What
// OCSF has no attribute for is under unmapped.trapbpf, so nothing of a record is
// lost by choosing this encoding.
package ocsf

import (
	"fmt"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// MaxLine is the longest line in bytes, its newline included: twice the ECS line's,
// for OCSF says the same in more words.
const MaxLine = 2 * finding.MaxLine

// Encoder is a sink.Encoder.
type Encoder struct{}

// Append implements sink.Encoder. A record that is too long for an ECS line is
// shortened in the same way here.
func (Encoder) Append(dst []byte, r *finding.Record) ([]byte, error) {
	if r.Notice != nil {
		return appendNotice(dst, r)
	}
	for limit := finding.MaxLine; ; limit = limit * 3 / 4 {
		doc := finding.NewDocument(r)
		if _, err := doc.Fit(limit); err != nil {
			return dst, fmt.Errorf("encode record %s as OCSF: %w", r.ID, err)
		}
		line, err := finding.EncodeJSON(newEvent(r, doc))
		if err != nil {
			return dst, fmt.Errorf("encode record %s as OCSF: %w", r.ID, err)
		}
		if len(line) < MaxLine {
			return append(append(dst, line...), '\n'), nil
		}
	}
}

const (
	schemaVersion = "1.8.0"
	classUID      = 2004
	className     = "Detection Finding"
)

// newEvent maps a record; doc is the same record, short enough.
func newEvent(r *finding.Record, doc *finding.Document) *event {
	activity, name := activityOf(r.Action)
	e := &event{
		ActivityID: activity, ActivityName: name,
		CategoryUID: 2, CategoryName: "Findings",
		ClassUID: classUID, ClassName: className,
		TypeUID: classUID*100 + activity, TypeName: className + ": " + name,
		Time:    millis(doc.Timestamp),
		EndTime: millis(doc.Event.End), StartTime: millis(doc.Event.Start),
		Duration: doc.Event.Duration.Milliseconds(), Count: r.Count,
		Message:      doc.Message,
		StatusDetail: doc.Event.Reason,
		IsAlert:      r.Alert, RiskScore: int(r.Severity), ConfidenceScore: r.Confidence,
	}
	e.SeverityID, e.Severity = severityOf(r.Severity)
	e.StatusID, e.Status = statusOf(r.Action)
	e.ConfidenceID, e.Confidence = confidenceOf(r.Confidence)
	e.Metadata = newMetadata(doc)
	e.FindingInfo = newFindingInfo(doc)
	e.Evidences = newEvidences(doc)
	e.Remediation.Desc = strings.Join(doc.Trapbpf.Fix, "\n")
	e.Device = newDevice(doc)
	e.Resources = newResources(doc)
	e.Observables = observe(e.Evidences)
	e.Unmapped.Trapbpf, e.Unmapped.ErrorCode = doc.Trapbpf, doc.Error.Code
	return e
}

func activityOf(a finding.Action) (id int, name string) {
	switch a {
	case finding.Opened:
		return 1, "Create"
	case finding.Updated:
		return 2, "Update"
	case finding.Closed:
		return 3, "Close"
	default:
		return 99, string(a)
	}
}

func severityOf(s finding.Severity) (id int, name string) {
	switch {
	case s >= finding.Critical:
		return 5, "Critical"
	case s >= finding.High:
		return 4, "High"
	case s >= finding.Medium:
		return 3, "Medium"
	default:
		return 2, "Low"
	}
}

// statusOf gives where a finding is in the life that OCSF sees: whether a person
// has looked at it is not this agent's to say.
func statusOf(a finding.Action) (id int, name string) {
	if a == finding.Closed {
		return 4, "Resolved"
	}
	return 1, "New"
}

// confidenceOf follows the thirds that a confidence of 0 to 100 has.
func confidenceOf(percent int) (id int, name string) {
	switch {
	case percent >= 67:
		return 3, "High"
	case percent >= 34:
		return 2, "Medium"
	default:
		return 1, "Low"
	}
}

func millis(s finding.Stamp) int64 {
	if s.IsZero() {
		return 0
	}
	return s.Time().UnixMilli()
}
