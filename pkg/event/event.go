// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package event holds what was seen: one struct for each kind of observation.
//
// Samples from the kernel, facts about the host, losses and clock ticks are all
// events and come down one stream. A recording of that stream holds every input
// of the engine, so replaying it gives the findings that the live run gave.
//
// An event that a source hands out may be reused by that source once the call
// returns: who wants to keep one copies it.
package event

// Event is one observation. The set of kinds is sealed.
type Event interface {
	// Head gives the part that every event has. The pointer is into the event.
	Head() *Header
	// Kind names the concrete type: the key that recordings use.
	Kind() Kind
	sealed()
}

// Kind names a concrete event type, in recordings and in loss counters.
type Kind string

// The kinds. Those up to KindPortPressure come from the kernel's programs, the
// others are facts gathered by the agent.
const (
	KindDrop         Kind = "drop"
	KindPortFailure  Kind = "port-failure"
	KindPortPressure Kind = "port-pressure"
	KindPortUse      Kind = "port-use"
	KindPortSettings Kind = "port-settings"
	KindRouting      Kind = "routing"
	KindProcess      Kind = "process"
	KindNamespace    Kind = "namespace"
	KindHost         Kind = "host"
	KindHook         Kind = "hook"
	KindLoss         Kind = "loss"
	KindTick         Kind = "tick"
)

// Header is the part that every event has.
type Header struct {
	// Time is when it happened, in nanoseconds since boot.
	Time Time `json:"time"`
	// Netns is the inode of the network namespace it happened in; 0 where the
	// event is about the whole host.
	Netns Netns `json:"netns,omitempty"`
}

// Head implements Event for every struct that embeds a Header.
func (h *Header) Head() *Header { return h }

func (*Header) sealed() {}

// Netns identifies a network namespace by the inode of its nsfs file, the
// number that `ls -L -i /run/netns/NAME` and /proc/PID/ns/net show.
type Netns uint32
