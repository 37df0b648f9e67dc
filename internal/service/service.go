// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package service is the agent as a service: what a configuration asks for, kept
// running, told to the service manager, and changed while it runs.
//
// One goroutine reads events (internal/agent), one serves each sink (internal/sink),
// and one here hears signals and the clock. What is configured again by a reload are
// the sinks, the lowest severities and the log level; the rest needs a restart, and a
// reload that changes it says so.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/trapbpf/trapbpf/internal/agent"
	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/internal/ledger"
	"github.com/trapbpf/trapbpf/internal/metric"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// flushWithin bounds how long the records may take to their readers once the agent
// has stopped: SIGTERM to exit is to take 3 s at most.
const flushWithin = 2 * time.Second

// Options are what a service is given from outside.
type Options struct {
	// Load reads the configuration: at the start, and again at every reload.
	Load func() (config.Config, error)
	// Reload asks for one each time it gives a value.
	Reload <-chan struct{}
	// Stdout is for sinks that write there.
	Stdout io.Writer
	// Rung forces hooks onto rungs.
	Rung map[string]string
	// Reduce gives up capabilities once every hook is attached; nil keeps them.
	Reduce  agent.Reduce
	Log     *zap.Logger
	Level   zap.AtomicLevel
	Version string
}

// Service is one run.
type Service struct {
	options Options
	config  config.Config
	log     *zap.Logger
	fanout  *sink.Fanout
	manager *manager
	// telling is held while a record goes to the ledger and the sinks: between the two
	// nobody may take it for told.
	telling sync.Mutex
	keeper  *keeper
	tally   tally
	notices *notices
	// sights tells how well the agent sees each trap.
	sights  func() map[finding.Trap]trap.Sight
	pulse   *pulse
	metrics *metric.Metrics
	// endpoint is nil where nothing is served.
	endpoint *endpoint
	// broken ends the run: nobody reads standard output any more.
	broken func()
}

// Run watches until ctx ends. Errors of the configuration are *config.Error.
func Run(ctx context.Context, o Options) error {
	first, err := o.Load()
	if err != nil {
		return err
	}
	ctx, cancel := limit(ctx, first.For)
	defer cancel()
	life := newPulse()
	s := &Service{options: o, config: first, log: o.Log, pulse: life, notices: newNotices(agent.Observer(o.Version)),
		manager: newManager(life, o.Log), broken: cancel}
	if err := s.setLevel(first.LogLevel); err != nil {
		return err
	}
	opened, left, err := s.open()
	if err != nil {
		s.endpoint.close(ctx)
		return err
	}
	for _, r := range left.Untold {
		s.fanout.Write(r)
	}
	return errors.Join(s.run(ctx, opened), s.flush())
}

// open takes hold of all that the service needs: what it cannot have is an error now.
func (s *Service) open() (*agent.Agent, ledger.Left, error) {
	var left ledger.Left
	routes, err := s.routes(s.config)
	if err != nil {
		return nil, left, err
	}
	if s.endpoint, err = listen(s.config.Metrics, s.pulse, s.log); err != nil {
		return nil, left, err
	}
	if err := startAll(routes); err != nil {
		return nil, left, err
	}
	if left, err = s.openLedger(); err != nil {
		return nil, left, err
	}
	config := s.agentConfig()
	if config.Kept, err = keptEvents(left); err != nil {
		return nil, left, err
	}
	opened, err := agent.Open(config)
	if err != nil {
		return nil, left, err
	}
	s.fanout = sink.NewFanout(s.report, routes...)
	s.metrics = metric.New(s.options.Version, metric.Source{Agent: opened.Stand, Sinks: s.fanout.Stand})
	s.endpoint.show(s.metrics)
	s.sights = func() map[finding.Trap]trap.Sight { return opened.Stand().Sights }
	s.blind(opened.Stand())
	return opened, left, nil
}

func limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d > 0 {
		return context.WithTimeout(ctx, d)
	}
	return context.WithCancel(ctx)
}

// run reads events until ctx ends, and attends to the service meanwhile.
func (s *Service) run(ctx context.Context, opened *agent.Agent) error {
	group, ctx := errgroup.WithContext(ctx)
	attending, stop := context.WithCancel(ctx)
	group.Go(func() error {
		defer stop()
		return opened.Run(ctx)
	})
	group.Go(func() error {
		s.attend(attending)
		return nil
	})
	err := group.Wait()
	s.endpoint.close(ended())
	s.manager.stopping()
	return err
}

// flush lets the sinks take what waits. Only where they have, the ledger ends in order:
// else the next run tells the newest records again.
func (s *Service) flush() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
	defer cancel()
	s.notices.flush(time.Now(), s.fanout.Write)
	if err := s.fanout.Close(ctx); err != nil {
		return fmt.Errorf("leave records behind: %w", err)
	}
	return s.keeper.ledger.Close()
}

func (s *Service) agentConfig() agent.Config {
	var traps []finding.Trap
	for _, word := range s.config.Trap {
		traps = append(traps, finding.Trap(word))
	}
	return agent.Config{
		Traps: traps, Netns: s.config.Netns, Quiet: s.config.QuietPeriod, Confirm: s.config.Confirm, Rung: s.options.Rung,
		Reduce: s.options.Reduce, Foreign: s.foreign(),
		Record: s.record, Lost: s.lost, Fallen: s.fallen, Ready: s.ready, Alive: s.pulse.beat,
		Log: s.log, Version: s.options.Version,
	}
}

// ready hears that every hook is attached.
func (s *Service) ready() {
	s.endpoint.ready()
	s.manager.ready()
}

// ended is a context that has ended: who waits on it waits no longer.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// record takes a record from the engine to the sinks.
func (s *Service) record(r *finding.Record) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.settle()
	s.keeper.write(r)
	s.tally.add(r)
	s.metrics.Add(r)
	s.fanout.Write(r)
}

// settled keeps in the ledger that all was told, where it is so.
func (s *Service) settled() {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.settle()
}

// settle is settled for who holds telling.
func (s *Service) settle() {
	if s.fanout.Idle() {
		s.keeper.handed()
	}
}
