// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package agent joins the street on a live host: the kernel's programs, the host's
// facts and the clock into one stream, the engine behind it, and the records out.
//
// One lock orders the stream: whoever holds it hands one event to the recording
// and then to the engine, so a recording has the order in which the engine saw
// things. Everything ends with one context: the kernel's ring is drained, then the
// records are flushed by their owner.
package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/internal/engine"
	"github.com/trapbpf/trapbpf/internal/enrich"
	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/privilege"
	"github.com/trapbpf/trapbpf/internal/trap/all"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
	"github.com/trapbpf/trapbpf/pkg/trace"
)

// tickEvery is the clock's beat in the stream: fine enough for a verdict within a
// second, and next to nothing in a recording.
const tickEvery = 250 * time.Millisecond

// Reduce gives up the capabilities that are not among keep; see privilege.Reduce.
type Reduce func(keep privilege.Set) (left privilege.Set, err error)

// Config says what to watch and where records go.
type Config struct {
	// Traps are the traps to watch for; empty means all.
	Traps []finding.Trap
	// Netns are namespaces by name, path or inode; empty means all.
	Netns []string
	// Quiet is the engine's quiet period; 0 means its default.
	Quiet time.Duration
	// Confirm allows active probes.
	Confirm bool
	// Rung forces hooks onto rungs.
	Rung map[string]string
	// Recording gets every event; nil records nothing.
	Recording *trace.Writer
	// Record gets each record, in order, from one goroutine at a time.
	Record func(*finding.Record)
	// Lost hears of events that never reached the stream; nil for nobody. The loss
	// is the callee's for the call only.
	Lost func(*event.Loss)
	// Fallen hears of hooks that stood and do not any more; nil for nobody.
	Fallen func(event.Hook)
	// Kept are findings that an earlier run left open.
	Kept []*event.Kept
	// Ready, where not nil, is called once every hook is attached and no event is
	// missed from then on. Alive is called several times a second while events are read.
	Ready, Alive func()
	// Reduce is called once every hook is attached; nil keeps every capability.
	Reduce Reduce
	// Foreign tells that records are written to files that may be another user's.
	Foreign bool
	Log     *zap.Logger
	Version string
}

// Agent is an agent with every hook attached.
type Agent struct {
	config Config
	log    *zap.Logger
	host   *host.Host
	kernel *kernel.Kernel
	stream *stream
	asker  *asker
	prober *confirmer
	watch  []host.Target

	closing sync.Mutex // held while the kernel's programs are asked or let go
	closed  bool
}

// Open finds the namespaces and attaches the hooks. Errors wrap
// kernel.ErrPrivilege, kernel.ErrUnsupported or a *host.UnknownError.
func Open(c Config) (*Agent, error) {
	a := &Agent{config: c, log: c.Log}
	world := host.Real()
	world.Process = enrich.New(enrich.Real()).Look
	world.Walk = a.walk
	world.Connections = a.connections
	a.host = host.New(world)
	for _, word := range c.Netns {
		at, err := a.host.Resolve(word)
		if err != nil {
			return nil, err
		}
		a.watch = append(a.watch, at)
	}
	opened, err := kernel.Open(kernel.Options{Netns: inodes(a.watch), Sights: sights(c.Traps), Rung: c.Rung, Alive: c.Alive})
	if err != nil {
		return nil, err
	}
	a.kernel = opened
	if err := a.reduce(); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	a.asker = newAsker(a)
	a.prober = newConfirmer(a)
	a.stream = newStream(c, engine.Out{Record: c.Record, Want: a.asker.ask})
	a.forgetStart()
	return a, nil
}

func (a *Agent) walk(path string, id event.Netns, low, high uint16) (*event.PortUse, error) {
	return a.kernel.Walk(path, id, low, high)
}

func (a *Agent) connections(path string, id event.Netns, peer netip.Addr) (*event.Connections, error) {
	return a.kernel.Connections(path, id, peer)
}

func inodes(targets []host.Target) []event.Netns {
	ids := make([]event.Netns, len(targets))
	for i, t := range targets {
		ids[i] = t.Inode
	}
	return ids
}

// sights gives what the detectors of these traps rest on.
func sights(traps []finding.Trap) []string {
	var names []string
	seen := map[string]bool{}
	for _, d := range all.Detectors(traps...) {
		for _, need := range d.Needs() {
			if !seen[need.Sight] {
				seen[need.Sight] = true
				names = append(names, need.Sight)
			}
		}
	}
	return names
}

// Run watches until ctx ends, drains what is on its way, and detaches.
func (a *Agent) Run(ctx context.Context) error {
	defer a.close()
	a.introduce()
	a.announce()
	if a.config.Ready != nil {
		a.config.Ready()
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	facts, stopFacts := context.WithCancel(context.Background())
	defer stopFacts()
	for _, work := range []func(context.Context){a.asker.answer, a.asker.walk, a.prober.run, a.tick, a.attend} {
		wg.Go(func() { work(facts) })
	}
	if err := a.kernel.Run(ctx, a.take); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	stopFacts()
	wg.Wait()
	a.take(a.beat())
	return a.stream.finish()
}

// take hands an event to the stream, and tells of losses in the log.
func (a *Agent) take(e event.Event) {
	if own(e) {
		return
	}
	a.stream.take(e)
	if loss, ok := e.(*event.Loss); ok {
		a.log.Warn("events lost",
			zap.String("event.dataset", "trapbpf.agent"), zap.String("event.kind", "event"),
			zap.String("kind", string(loss.Of)), zap.String("stage", loss.Stage), zap.Uint64("count", loss.Count))
		if a.config.Lost != nil {
			a.config.Lost(loss)
		}
	}
}

func (a *Agent) tick(ctx context.Context) {
	clock := time.NewTicker(tickEvery)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
			a.take(a.beat())
		}
	}
}

func (a *Agent) beat() *event.Tick {
	return &event.Tick{Header: event.Header{Time: kernel.Now()}, Wall: time.Now().UTC()}
}

// ErrRecording is wrapped by errors of the recording that an agent writes.
var ErrRecording = errors.New("recording stopped")
