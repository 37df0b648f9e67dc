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

// Record is one telling of a finding: what a sink writes.
type Record struct {
	Finding
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
