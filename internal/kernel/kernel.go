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
	"errors"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/trapbpf/trapbpf/internal/decode"
	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// sampleEvery is the default for Options.SampleEvery: four samples a second
// follow what changes, and a flood costs no more.
const sampleEvery = 250 * time.Millisecond

// Options say what to look at. The zero value looks at everything.
type Options struct {
	// Netns narrows the view to these network namespaces; empty means all.
	Netns []event.Netns
	// Sights are the sights to load; empty means all.
	Sights []string
	// Rung forces rows, by name, onto one rung, as tests of the ladder do.
	Rung map[string]string
	// Account has the verifier write down what it walked: before 5.16 Costs knows it
	// from nowhere else.
	Account bool
	// SampleEvery is the least time between two samples of one key; 0 means 250 ms.
	SampleEvery time.Duration
	// Alive, where not nil, is called by Run several times a second while it reads: a
	// watchdog's sign that events still flow.
	Alive func()
	// reasons replaces the drop reasons that traps rest on: tests provoke others.
	reasons []string
	// mute takes the kernel for one that gives no reasons, as before 5.17.
	mute bool
}

// Kernel is a set of attached programs. Its methods may be called at once from
// several goroutines, but Run only once, and nothing after Close.
type Kernel struct {
	maps    *shared
	reasons reasons
	mu      sync.Mutex // guards the rows' reports
	rows    []*row
	symbols kallsyms
	decoder *decode.Decoder
	walker  portWalker // nil where nobody counts sockets
	sweeper *sweeper
	alive   func()
	dials   *ebpf.Map // addresses whose dials are told, nil where nobody sees them
}

// Open loads and attaches what o asks for. Errors wrap ErrPrivilege or
// ErrUnsupported where nothing at all can work; a row that cannot attach is no
// error but a blind hook. The caller must Close what it gets.
func Open(o Options) (*Kernel, error) {
	if err := supported(); err != nil {
		return nil, err
	}
	if err := privileged(); err != nil {
		return nil, err
	}
	// Before 5.11 maps count as locked memory. Where the limit may not be raised it is
	// either not needed or the first map says so.
	_ = rlimit.RemoveMemlock()
	if o.SampleEvery <= 0 {
		o.SampleEvery = sampleEvery
	}
	if o.reasons == nil {
		o.reasons = watched()
	}
	cache := btf.NewCache() // holds the kernel's types only while loading
	found, err := readReasons(cache, o.reasons)
	if err != nil {
		return nil, err
	}
	if o.mute {
		found = untoldReasons(o.reasons)
	}
	list := openKallsyms()
	found.locate(list.open)
	maps, err := newShared(o.Netns)
	if err != nil {
		return nil, errors.Join(err, list.close())
	}
	k := &Kernel{maps: maps, reasons: found, symbols: list, alive: o.Alive}
	k.decoder = decode.New(decode.Names{Reason: found.name, Symbol: newSymbols(list.open, listModules).name})
	k.climb(&climber{options: o, maps: maps, reasons: found, cache: cache})
	debug.FreeOSMemory() // the kernel's types, tens of MB that are never read again
	return k, nil
}

// climb attaches every row that is asked for, in the table's order.
func (k *Kernel) climb(c *climber) {
	for _, h := range hook.Table() {
		if len(c.options.Sights) > 0 && !slices.Contains(c.options.Sights, h.Sight) {
			continue
		}
		r := c.climb(h)
		k.rows = append(k.rows, r)
		if h.Sight == hook.SightDial && r.collection != nil {
			k.dials = r.collection.Maps["dial_watch"]
		}
		switch {
		case r.diag != nil:
			k.walker = r.diag
		case r.iterator == nil:
		case h.Sight == hook.SightSweep:
			k.sweeper = newSweeper(r)
		default:
			k.walker = newWalker(r)
		}
	}
}

// Hooks tells how each row of the table fares, in the table's order.
func (k *Kernel) Hooks() []event.Hook {
	k.mu.Lock()
	defer k.mu.Unlock()
	hooks := make([]event.Hook, 0, len(k.rows))
	for _, r := range k.rows {
		hooks = append(hooks, r.report)
	}
	return hooks
}

// WatchNetns adds a namespace to those that Options.Netns named. It changes
// nothing where all are watched.
func (k *Kernel) WatchNetns(id event.Netns) error { return k.maps.watch(id) }

// Close detaches everything and frees the maps.
func (k *Kernel) Close() error {
	var all []error
	for _, r := range k.rows {
		all = append(all, r.close())
	}
	return errors.Join(append(all, k.maps.close(), k.symbols.close())...)
}
