// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import "fmt"

// What an agent tells of its own state: actions of records with a Notice.
const (
	EventsLost    Action = "events-lost"
	HookBlind     Action = "hook-blind"
	TrapBlind     Action = "trap-blind"
	SinkFailing   Action = "sink-failing"
	SinkRecovered Action = "sink-recovered"
	// UpdatesDropped tells that a sink has no room, so that updates went; RecordsLost that
	// its place never gets something that should have arrived.
	UpdatesDropped Action = "updates-dropped"
	RecordsLost    Action = "records-lost"
)

// Notice is what a record tells of the agent's own state: no finding, and no rule. What
// does not belong to its action is empty.
type Notice struct {
	// Sink, Hook, Trap, and the Kind of events with the Stage at which they were lost, are
	// what it is about.
	Sink, Hook, Kind, Stage string
	Trap                    Trap
	// Count is how many, since the agent attached or the sink was made.
	Count uint64
	// Why is the cause, as an error says it.
	Why string
}

const (
	noticeDataset = "trapbpf.agent"
	// maxWhy bounds an error's text in a record.
	maxWhy = 1 << 10
)

// NoticeDocument is the line of a record with a Notice, as Document is a finding's. It has
// no event.sequence, which counts findings' records without gaps.
// schema/agent.schema.json says what each field may hold.
type NoticeDocument struct {
	Timestamp Stamp  `json:"@timestamp"`
	Message   string `json:"message"`
	ECS       struct {
		Version string `json:"version"`
	} `json:"ecs"`
	Event struct {
		Kind     string   `json:"kind"`
		Action   Action   `json:"action"`
		Type     []string `json:"type"`
		ID       string   `json:"id"`
		Module   string   `json:"module"`
		Provider string   `json:"provider"`
		Dataset  string   `json:"dataset"`
		Severity Severity `json:"severity"`
	} `json:"event"`
	Log struct {
		Level string `json:"level"`
	} `json:"log"`
	Observer struct {
		Product string `json:"product"`
		Type    string `json:"type"`
		Version string `json:"version,omitempty"`
	} `json:"observer"`
	Host struct {
		Name         string `json:"name,omitempty"`
		Architecture string `json:"architecture,omitempty"`
		OS           struct {
			Type   string `json:"type,omitempty"`
			Kernel string `json:"kernel,omitempty"`
		} `json:"os,omitzero"`
	} `json:"host,omitzero"`
	Error struct {
		Message string `json:"message,omitempty"`
	} `json:"error,omitzero"`
	Trapbpf struct {
		Agent NoticeDetail `json:"agent,omitzero"`
	} `json:"trapbpf,omitzero"`
}

// NoticeDetail is the part of a NoticeDocument that ECS has no field for.
type NoticeDetail struct {
	Sink  string `json:"sink,omitempty"`
	Hook  string `json:"hook,omitempty"`
	Trap  Trap   `json:"trap,omitempty"`
	Kind  string `json:"kind,omitempty"`
	Stage string `json:"stage,omitempty"`
	Count uint64 `json:"count,omitempty"`
}

// NewNoticeDocument gives a record with a Notice in the shape of its line.
func NewNoticeDocument(r *Record) *NoticeDocument {
	d, n := new(NoticeDocument), r.Notice
	d.Timestamp, d.Message = StampOf(r.Time), r.Message
	d.ECS.Version = ecsVersion
	d.Event.Kind, d.Event.Action, d.Event.ID, d.Event.Severity = "event", r.Action, r.ID, r.Severity
	d.Event.Module, d.Event.Provider, d.Event.Dataset = "trapbpf", "trapbpf", noticeDataset
	d.Event.Type, d.Log.Level = []string{"info"}, "info"
	if r.Severity > Low {
		d.Event.Type, d.Log.Level = []string{"error"}, "warn"
	}
	d.Observer.Product, d.Observer.Type, d.Observer.Version = "trapbpf", "sensor", r.Host.AgentVersion
	d.Host.Name, d.Host.Architecture = r.Host.Name, r.Host.Architecture
	d.Host.OS.Type, d.Host.OS.Kernel = "linux", r.Host.Kernel
	d.Error.Message = n.Why[:min(len(n.Why), maxWhy)]
	d.Trapbpf.Agent = NoticeDetail{Sink: n.Sink, Hook: n.Hook, Trap: n.Trap, Kind: n.Kind, Stage: n.Stage, Count: n.Count}
	return d
}

func appendNotice(dst []byte, r *Record) ([]byte, error) {
	text, err := EncodeJSON(NewNoticeDocument(r))
	if err != nil {
		return dst, fmt.Errorf("encode record %s: %w", r.ID, err)
	}
	return append(dst, text...), nil
}
