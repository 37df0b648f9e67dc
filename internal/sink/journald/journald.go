// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package journald delivers records to the systemd journal with fields of their own:
// `journalctl TRAPBPF_TRAP=mtu-blackhole` finds them.
package journald

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Options has no keys: there is one journal.
type Options struct{}

// Remote is a sink.Remote: the journal may be restarted.
type Remote struct{ name string }

// New gives a remote.
func New(name string) *Remote { return &Remote{name: name} }

// Name implements sink.Remote.
func (r *Remote) Name() string { return r.name }

// Close implements sink.Remote.
func (r *Remote) Close() error { return nil }

// Send implements sink.Remote.
func (r *Remote) Send(_ context.Context, entries []sink.Entry) (int, error) {
	for i, e := range entries {
		fields, message, err := fieldsOf(e)
		if err != nil {
			return i, &sink.Refusal{Err: err}
		}
		if err := journal.Send(message, priorityOf(e), fields); err != nil {
			return i, fmt.Errorf("write to the journal: %w", err)
		}
	}
	return len(entries), nil
}

// messageIDs are what `journalctl MESSAGE_ID=` finds each kind of record by; drawn once.
func messageIDs() map[finding.Action]string {
	return map[finding.Action]string{
		finding.Opened:  "5f0e2a1c64c34c0f9a53d1f2b7c6e401",
		finding.Updated: "a9c1b6d2f0484f1f8f6f6d3a2b9be402",
		finding.Closed:  "c37d90b1e6a94bb38a0a5a6ed14ce403",
	}
}

// ofAgent is the MESSAGE_ID of what the agent tells of its own state.
const ofAgent = "1d6b84c2f7d94e4f9bd4a7c0e35a8405"

func messageID(a finding.Action) string {
	if id, known := messageIDs()[a]; known {
		return id
	}
	return ofAgent
}

// shown are the fields of the record that have a journal field of their own.
type shown struct {
	Message string `json:"message"`
	Trapbpf struct {
		Trap    string `json:"trap"`
		Cause   string `json:"cause"`
		Status  string `json:"status"`
		Finding struct {
			ID string `json:"id"`
		} `json:"finding"`
	} `json:"trapbpf"`
}

func fieldsOf(e sink.Entry) (fields map[string]string, message string, err error) {
	var of shown
	if err := json.Unmarshal(e.Line, &of); err != nil {
		return nil, "", fmt.Errorf("read the record: %w", err)
	}
	fields = map[string]string{
		"MESSAGE_ID":         messageID(e.Action),
		"SYSLOG_IDENTIFIER":  "trapbpf",
		"TRAPBPF_EVENT_ID":   e.ID,
		"TRAPBPF_ACTION":     string(e.Action),
		"TRAPBPF_TRAP":       of.Trapbpf.Trap,
		"TRAPBPF_CAUSE":      of.Trapbpf.Cause,
		"TRAPBPF_STATUS":     of.Trapbpf.Status,
		"TRAPBPF_FINDING_ID": of.Trapbpf.Finding.ID,
		"TRAPBPF_RECORD":     string(e.Line),
	}
	maps.DeleteFunc(fields, func(_, value string) bool { return value == "" })
	return fields, of.Message, nil
}

func priorityOf(e sink.Entry) journal.Priority {
	switch {
	case e.Action == finding.Closed:
		return journal.PriInfo
	case e.Severity >= finding.Critical:
		return journal.PriCrit
	case e.Severity >= finding.High:
		return journal.PriErr
	case e.Severity >= finding.Medium:
		return journal.PriWarning
	default:
		return journal.PriNotice
	}
}
