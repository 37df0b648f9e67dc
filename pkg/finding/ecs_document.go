// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"fmt"
	"net/netip"
	"time"
)

// Document is a record as its JSON line has it: the Elastic Common Schema, nested
// objects, no array of objects, empty fields left out. The struct is the picture of
// the line: its order is the order of the fields. schema/record.schema.json says
// what each may hold.
type Document struct {
	Timestamp Stamp  `json:"@timestamp"`
	Message   string `json:"message"`
	ECS       struct {
		Version string `json:"version"`
	} `json:"ecs"`
	Event struct {
		Kind      string   `json:"kind"`
		Action    Action   `json:"action"`
		Category  []string `json:"category"`
		Type      []string `json:"type"`
		ID        string   `json:"id"`
		Sequence  uint64   `json:"sequence"`
		Code      Cause    `json:"code"`
		Module    string   `json:"module"`
		Provider  string   `json:"provider"`
		Dataset   string   `json:"dataset"`
		Severity  Severity `json:"severity"`
		RiskScore Severity `json:"risk_score"`
		Start     Stamp    `json:"start,omitzero"`
		End       Stamp    `json:"end,omitzero"`
		// Duration is End less Start, in nanoseconds.
		Duration  time.Duration `json:"duration,omitempty"`
		Reason    string        `json:"reason,omitempty"`
		Reference string        `json:"reference,omitempty"`
	} `json:"event"`
	Log struct {
		Level string `json:"level"`
	} `json:"log"`
	Rule struct {
		ID          Trap   `json:"id"`
		Name        string `json:"name,omitempty"`
		Description string `json:"description,omitempty"`
		Version     string `json:"version,omitempty"`
	} `json:"rule"`
	Source      Endpoint `json:"source,omitzero"`
	Destination Endpoint `json:"destination,omitzero"`
	Network     struct {
		Transport   string `json:"transport,omitempty"`
		Type        string `json:"type,omitempty"`
		Direction   string `json:"direction,omitempty"`
		CommunityID string `json:"community_id,omitempty"`
	} `json:"network,omitzero"`
	Observer struct {
		Ingress Crossing `json:"ingress,omitzero"`
		Egress  Crossing `json:"egress,omitzero"`
		Product string   `json:"product"`
		Type    string   `json:"type"`
		Version string   `json:"version,omitempty"`
	} `json:"observer"`
	Process struct {
		PID        uint32 `json:"pid,omitempty"`
		Name       string `json:"name,omitempty"`
		Executable string `json:"executable,omitempty"`
	} `json:"process,omitzero"`
	Container struct {
		ID      string `json:"id,omitempty"`
		Name    string `json:"name,omitempty"`
		Runtime string `json:"runtime,omitempty"`
	} `json:"container,omitzero"`
	Orchestrator struct {
		// Type is "kubernetes" where there is a pod.
		Type      string `json:"type,omitempty"`
		Namespace string `json:"namespace,omitempty"`
		// Resource is the pod; its ID is the UID.
		Resource struct {
			Type string `json:"type,omitempty"`
			Name string `json:"name,omitempty"`
			ID   string `json:"id,omitempty"`
		} `json:"resource,omitzero"`
	} `json:"orchestrator,omitzero"`
	Host struct {
		Name         string `json:"name,omitempty"`
		Architecture string `json:"architecture,omitempty"`
		OS           struct {
			Type   string `json:"type,omitempty"`
			Kernel string `json:"kernel,omitempty"`
		} `json:"os,omitzero"`
	} `json:"host,omitzero"`
	DNS struct {
		Question struct {
			Name string `json:"name,omitempty"`
			Type string `json:"type,omitempty"`
		} `json:"question,omitzero"`
		ResponseCode string   `json:"response_code,omitempty"`
		ResolvedIP   []string `json:"resolved_ip,omitempty"`
	} `json:"dns,omitzero"`
	Error struct {
		Code string `json:"code,omitempty"`
	} `json:"error,omitzero"`
	Trapbpf Detail `json:"trapbpf"`
}

// Endpoint is one side of a flow.
type Endpoint struct {
	IP   netip.Addr `json:"ip,omitzero"`
	Port uint16     `json:"port,omitempty"`
}

// Crossing names the interface that traffic crosses at the observer.
type Crossing struct {
	Interface struct {
		Name string `json:"name,omitempty"`
	} `json:"interface,omitzero"`
}

// Detail is the part of a Document that ECS has no field for.
type Detail struct {
	Finding struct {
		ID string `json:"id"`
	} `json:"finding"`
	Trap          Trap     `json:"trap"`
	Cause         Cause    `json:"cause"`
	Status        Status   `json:"status"`
	Confidence    int      `json:"confidence"`
	ConfidenceWhy []string `json:"confidence_why,omitempty"`
	// Count is how often the condition was seen.
	Count    uint64   `json:"count,omitempty"`
	Symptoms []string `json:"symptoms,omitempty"`
	Evidence []string `json:"evidence,omitempty"`
	Against  []string `json:"against,omitempty"`
	// Fix, FixPersistent, Undo and Verify are lines to paste into a shell.
	Fix           []string `json:"fix,omitempty"`
	FixPersistent []string `json:"fix_persistent,omitempty"`
	Undo          []string `json:"undo,omitempty"`
	Verify        []string `json:"verify,omitempty"`
	MTU           *MTU     `json:"mtu,omitempty"`
	Route         *Route   `json:"route,omitempty"`
	DNS           *DNS     `json:"dns,omitempty"`
	Ports         *Ports   `json:"ports,omitempty"`
	Netns         struct {
		Inode uint32 `json:"inode,omitempty"`
		Name  string `json:"name,omitempty"`
	} `json:"netns,omitzero"`
	// Unit is the process's systemd unit.
	Unit  string `json:"unit,omitempty"`
	Lossy bool   `json:"lossy,omitempty"`
	// LeftOut tells what a line of limited length has no room for: "evidence: 12"
	// where a list lost its last twelve entries.
	LeftOut []string `json:"left_out,omitempty"`
}

// Stamp is a moment as a line shows it: UTC, always nine digits of a second, so
// that lines sort as text.
type Stamp struct{ at time.Time }

const stampLayout = "2006-01-02T15:04:05.000000000Z"

// StampOf gives the stamp of a moment.
func StampOf(at time.Time) Stamp { return Stamp{at} }

// Time gives the moment, in UTC.
func (s Stamp) Time() time.Time { return s.at.UTC() }

// IsZero tells whether there is no moment.
func (s Stamp) IsZero() bool { return s.at.IsZero() }

// String gives the RFC 3339 form.
func (s Stamp) String() string { return s.at.UTC().Format(stampLayout) }

// MarshalText implements encoding.TextMarshaler.
func (s Stamp) MarshalText() ([]byte, error) {
	return s.at.UTC().AppendFormat(nil, stampLayout), nil
}

// UnmarshalText implements encoding.TextUnmarshaler. It takes any RFC 3339 time.
func (s *Stamp) UnmarshalText(text []byte) error {
	at, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return fmt.Errorf("parse time %q: %w", text, err)
	}
	s.at = at.UTC()
	return nil
}
