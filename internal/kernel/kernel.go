// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package kernel is the source of events on a live host: it loads the programs of
// the hook table, attaches each on the best rung that this kernel allows, and
// turns what they tell into events.
//
// A row of the table that cannot attach is reported as a blind hook; it never
// keeps the others from working.
package kernel

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// ErrPrivilege is wrapped by errors that name the capability that is missing.
var ErrPrivilege = errors.New("not enough privilege")

// ErrUnsupported is wrapped by errors that say what this kernel lacks.
var ErrUnsupported = errors.New("kernel not supported")

// Options say what to look at. The zero value looks at everything.
type Options struct {
	// Netns narrows the view to these network namespaces; empty means all.
	Netns []event.Netns
	// Sights are the sights to load; empty means all.
	Sights []string
	// Rung forces rows, by name, onto one rung, as tests of the ladder do.
	Rung map[string]string
	// SampleEvery is the least time between two samples of one key; 0 means 250 ms.
	SampleEvery time.Duration
}

// Cost is what one loaded program has cost since it was loaded.
type Cost struct {
	Program, Hook string
	Runs          uint64
	Time          time.Duration
	Instructions  uint32
}

// Kernel is a set of attached programs.
type Kernel struct{}

// Open loads and attaches what o asks for.
func Open(o Options) (*Kernel, error) { return nil, ErrUnsupported }

// Hooks tells how each row of the table fared, in the table's order.
func (k *Kernel) Hooks() []event.Hook { return nil }

// Run hands every event to emit until ctx ends.
func (k *Kernel) Run(ctx context.Context, emit func(event.Event)) error { return nil }

// WatchNetns adds a namespace to those that Options.Netns named.
func (k *Kernel) WatchNetns(id event.Netns) error { return nil }

// Walk counts who holds the ephemeral ports low to high of a namespace.
func (k *Kernel) Walk(nsPath string, id event.Netns, low, high uint16) (*event.PortUse, error) {
	return nil, ErrUnsupported
}

// Costs tells what each program has cost; run counts need EnableStats before.
func (k *Kernel) Costs() ([]Cost, error) { return nil, nil }

// EnableStats makes the kernel measure every program's run time until closed.
func EnableStats() (io.Closer, error) { return nil, ErrUnsupported }

// Close detaches everything.
func (k *Kernel) Close() error { return nil }

// Now is the boot clock.
func Now() event.Time { return 0 }
