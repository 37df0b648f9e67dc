// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	_ "embed" // for the schema
	"encoding/json"
	"fmt"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

//go:embed schema/check.schema.json
var schema string

// Schema is the JSON schema (draft 2020-12) that every line of AppendJSON obeys.
func Schema() string { return schema }

// Document is a result as its JSON line has it: names of the Elastic Common Schema,
// and trapbpf's as in a finding record. Empty fields are left out.
type Document struct {
	Timestamp string `json:"@timestamp"`
	Message   string `json:"message"`
	ECS       struct {
		Version string `json:"version"`
	} `json:"ecs"`
	Event struct {
		Kind     string        `json:"kind"`
		Category []string      `json:"category"`
		Type     []string      `json:"type"`
		Code     finding.Cause `json:"code,omitempty"`
		Outcome  string        `json:"outcome"`
		Module   string        `json:"module"`
		Provider string        `json:"provider"`
		Dataset  string        `json:"dataset"`
		// Reference is the runbook's address.
		Reference string `json:"reference,omitempty"`
	} `json:"event"`
	Rule struct {
		ID   finding.Trap `json:"id"`
		Name string       `json:"name,omitempty"`
	} `json:"rule,omitzero"`
	Observer struct {
		Product string `json:"product"`
		Type    string `json:"type"`
		Version string `json:"version,omitempty"`
	} `json:"observer"`
	Host struct {
		Name string `json:"name,omitempty"`
	} `json:"host,omitzero"`
	Trapbpf Detail `json:"trapbpf"`
}

// Detail is the part of a Document that ECS has no field for.
type Detail struct {
	Trap  finding.Trap  `json:"trap,omitempty"`
	Cause finding.Cause `json:"cause,omitempty"`
	Check struct {
		Level   Level  `json:"level"`
		Subject string `json:"subject,omitempty"`
	} `json:"check"`
	Evidence      []string `json:"evidence,omitempty"`
	Fix           []string `json:"fix,omitempty"`
	FixPersistent []string `json:"fix_persistent,omitempty"`
	Undo          []string `json:"undo,omitempty"`
	Verify        []string `json:"verify,omitempty"`
	Netns         struct {
		Inode uint32 `json:"inode,omitempty"`
		Name  string `json:"name,omitempty"`
	} `json:"netns,omitzero"`
}

// Observer is who looked, and when.
type Observer struct {
	Time          time.Time
	Host, Version string
}

// Document gives the result as its JSON line has it.
func (r *Result) Document(by Observer) *Document {
	d := &Document{Timestamp: by.Time.UTC().Format(time.RFC3339Nano), Message: r.Message}
	d.ECS.Version = "8.17.0"
	d.Event.Kind, d.Event.Outcome = "state", "success"
	if r.Level == Fault {
		d.Event.Kind = "alert"
	}
	if r.Level == Blind {
		d.Event.Outcome = "unknown"
	}
	d.Event.Category, d.Event.Type = []string{"network", "configuration"}, []string{"info"}
	d.Event.Module, d.Event.Provider, d.Event.Dataset = "trapbpf", "trapbpf", "trapbpf.check"
	d.Event.Code = r.Cause
	d.Observer.Product, d.Observer.Type, d.Observer.Version = "trapbpf", "sensor", by.Version
	d.Host.Name = by.Host
	d.Rule.ID = r.Trap
	if r.Trap != "" {
		rule := finding.RuleOf(r.Trap)
		d.Rule.Name, d.Event.Reference = rule.Name, rule.Reference(r.Cause)
	}
	t := &d.Trapbpf
	t.Trap, t.Cause, t.Evidence = r.Trap, r.Cause, r.Evidence
	t.Check.Level, t.Check.Subject = r.Level, r.Subject
	t.Fix, t.FixPersistent, t.Undo, t.Verify = lines(r.Fix), lines(r.Persistent), lines(r.Undo), lines(r.Verify)
	t.Netns.Inode, t.Netns.Name = r.Netns.Inode, r.Netns.Name
	return d
}

func lines(steps []finding.Step) []string {
	var list []string
	for _, s := range steps {
		list = append(list, s.Shell())
	}
	return list
}

// AppendJSON appends the result as one line.
func (r *Result) AppendJSON(dst []byte, by Observer) ([]byte, error) {
	line, err := json.Marshal(r.Document(by))
	if err != nil {
		return dst, fmt.Errorf("encode result: %w", err)
	}
	return append(append(dst, line...), '\n'), nil
}
