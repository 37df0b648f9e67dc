// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

// KindKept is the kind of Kept.
const KindKept Kind = "kept"

// Kept is a finding that an earlier run of the agent left open. The engine goes on with
// it where its condition is seen again, and resolves it where it is not.
type Kept struct {
	Header
	// ID, Cause and Subject say which finding it is; the namespace is in the header.
	ID      string `json:"id"`
	Trap    string `json:"trap"`
	Cause   string `json:"cause"`
	Subject string `json:"subject"`
	// Finding is how it was told last, as JSON of a finding.Finding. It is left out of
	// redacted recordings, and a finding without it is not gone on with.
	Finding string `json:"finding,omitempty"`
	// Over says why its condition cannot hold any more, "" where it may.
	Over string `json:"over,omitempty"`
}

// Kind implements Event.
func (*Kept) Kind() Kind { return KindKept }
