// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package flow holds the bounded tables behind the detectors: what is known of
// each namespace, its routing, its ports and its processes. Tables age by event
// time and count what they had to forget.
package flow

import (
	"github.com/trapbpf/trapbpf/pkg/event"
)

// Bounds of the tables. A host with more namespaces than that forgets the one
// least lately told of.
const (
	maxNamespaces = 4096
	maxProcesses  = 4096
	maxResolvers  = 1024
)

// Facts is what the host told of itself, the newest of each. It keeps pointers
// into its own copies; readers must not change them.
type Facts struct {
	Host       event.Host
	Clock      event.Tick
	Paths      *Paths
	namespaces *Table[event.Netns, *Namespace]
	processes  *Table[uint32, *event.Process]
	resolvers  *Table[uint32, *event.Resolver]
	// Losses are the newest count per kind lost.
	losses map[event.Kind]event.Time
}

// Namespace is what is known of one network namespace; nil parts were not told.
type Namespace struct {
	Name     event.Namespace
	Routing  *event.Routing
	Settings *event.PortSettings
	Use      *event.PortUse
	Firewall *event.Firewall
}

// NewFacts gives empty tables.
func NewFacts() *Facts {
	return &Facts{
		Paths:      NewPaths(),
		namespaces: NewTable[event.Netns, *Namespace](maxNamespaces),
		processes:  NewTable[uint32, *event.Process](maxProcesses),
		resolvers:  NewTable[uint32, *event.Resolver](maxResolvers),
		losses:     map[event.Kind]event.Time{},
	}
}

// Take keeps what an event tells of the host; events that are no facts pass by.
func (f *Facts) Take(e event.Event) {
	f.Paths.Take(e)
	switch e := e.(type) {
	case *event.Tick:
		f.Clock = *e
	case *event.Host:
		f.Host = *e
	case *event.Namespace:
		f.takeNamespace(e)
	case *event.Process:
		kept := *e
		f.processes.Put(e.PID, &kept)
	case *event.Resolver:
		kept := *e
		f.resolvers.Put(e.PID, &kept)
	case *event.Loss:
		f.losses[e.Of] = e.Time
	case *event.Routing:
		kept := *e
		f.namespace(e.Netns).Routing = &kept
	case *event.Firewall:
		kept := *e
		f.namespace(e.Netns).Firewall = &kept
	case *event.PortSettings:
		kept := *e
		f.namespace(e.Netns).Settings = &kept
	case *event.PortUse:
		kept := *e
		f.namespace(e.Netns).Use = &kept
	}
}

func (f *Facts) takeNamespace(e *event.Namespace) {
	if e.Gone {
		f.namespaces.Drop(e.Netns)
		return
	}
	f.namespace(e.Netns).Name = *e
}

func (f *Facts) namespace(id event.Netns) *Namespace {
	if known, ok := f.namespaces.Get(id); ok {
		return known
	}
	made := &Namespace{}
	f.namespaces.Put(id, made)
	return made
}

// Namespace gives what is known of a namespace: never nil, perhaps empty.
func (f *Facts) Namespace(id event.Netns) *Namespace {
	if known, ok := f.namespaces.Get(id); ok {
		return known
	}
	return &Namespace{}
}

// Process gives what is known of a process, nil where nothing is.
func (f *Facts) Process(pid uint32) *event.Process {
	known, _ := f.processes.Get(pid)
	return known
}

// Resolver gives how a process resolves names, nil where that is not known.
func (f *Facts) Resolver(pid uint32) *event.Resolver {
	known, _ := f.resolvers.Get(pid)
	return known
}

// LostSince tells whether events of a kind were lost at or after a moment.
func (f *Facts) LostSince(kind event.Kind, since event.Time) bool {
	at, lost := f.losses[kind]
	return lost && at >= since
}

// Forgotten counts entries that were pushed out of a full table.
func (f *Facts) Forgotten() uint64 {
	return f.namespaces.Evicted() + f.processes.Evicted() + f.resolvers.Evicted()
}
