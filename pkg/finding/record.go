// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import "time"

// Action is an event.action of the contract.
type Action string

// The actions.
const (
	Opened  Action = "finding-opened"
	Updated Action = "finding-updated"
	Closed  Action = "finding-resolved"
)

// Record is one telling of a finding: what a sink writes. Where Notice is not nil it tells
// of the agent's own state instead: then all of Finding is empty but Message and Severity,
// and Sequence is 0.
type Record struct {
	Finding
	Notice *Notice
	Action Action
	// ID is a UUIDv7, Sequence counts up per agent without gaps.
	ID       string
	Sequence uint64
	Time     time.Time
	// Reason says why this record was written.
	Reason string
	// Alert is true on opened, and on an update that raises severity or confirms.
	Alert bool
	Host  Host
}

// Host is the observer.
type Host struct {
	Name, Architecture, Kernel, AgentVersion string
}

// Expendable records may go where there is no room for all: updates that only bring newer
// counts, since the next one tells all that they told, and notices.
func (r *Record) Expendable() bool { return r.Action.Expendable(r.Alert) }

// Expendable is Record.Expendable, for who has no more than its action.
func (a Action) Expendable(alert bool) bool { return a != Opened && a != Closed && !alert }
