// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Options say what to run.
type Options struct {
	// Binary is the agent; "" for this process's own executable.
	Binary   string
	Scenario Scenario
	// View is the role of the namespace that the agent is confined to; "" for the
	// scenario's usual one.
	View string
	// Progress is told what happens, as it happens; nil for nobody. It is never
	// called by two goroutines at once.
	Progress func(Event)
	// Keep leaves the namespaces in place, for a look around.
	Keep bool
	// Confirm allows the agent active probes.
	Confirm bool
	// Relaxed is for machines that are emulated: no promise of time is judged, and
	// every deadline is five times as long.
	Relaxed bool
}

// Event is a line of a run's story.
type Event struct {
	// Elapsed is since Run was called.
	Elapsed time.Duration
	// Text says what happened.
	Text string
	// Record is the agent's record where one came, as it wrote it.
	Record []byte
}

// The deadlines of a run.
const (
	readyLimit   = 30 * time.Second
	foundLimit   = 45 * time.Second
	proofLimit   = 30 * time.Second // for a twin, after its window
	healLimit    = 15 * time.Second
	resolveLimit = 75 * time.Second // some conditions show themselves every 30 s only
)

// run is one run under way.
type run struct {
	Options
	started time.Time
	begun   time.Time // when the traffic started
	net     *network
	stage   stage
	meter   *meter
	agent   *agent
	result  Result
	// waits tells how `fix --apply` ended, nil where it was not run; applied is the finding
	// whose fix it was.
	waits   chan error
	applied string
	// then is what the traffic had seen before the fix was undone; its time is zero where
	// it was not.
	then reading
}

// Run plays one scenario from its namespaces to their removal. An error means that
// the lab could not do its work, or that ctx ended; what the agent did wrong is in
// the Result. Whatever happens, nothing of the run is left behind, unless Keep.
func Run(ctx context.Context, o Options) (result Result, err error) {
	r := &run{Options: o, started: time.Now(), meter: newMeter()}
	if err := r.prepare(); err != nil {
		return r.result, err
	}
	swept, err := Sweep()
	if err != nil {
		return r.result, err
	}
	for _, name := range swept {
		r.tell("removed %s, left by a run that was killed", name)
	}
	r.net = newNetwork(o.Scenario.Name)
	defer func() {
		err = errors.Join(err, r.cleanUp())
		result = r.result
	}()
	r.stage = o.Scenario.build(r.net)
	if r.net.err != nil {
		return r.result, fmt.Errorf("build %s: %w", o.Scenario.Name, r.net.err)
	}
	view, err := r.seen()
	if err != nil {
		return r.result, err
	}
	for _, s := range r.net.spaces {
		r.tell("namespace %s", s.name)
	}
	return r.result, r.watch(ctx, view)
}

// seen gives the names of the namespaces that the agent is confined to.
func (r *run) seen() ([]string, error) {
	var names []string
	for _, s := range r.net.spaces {
		if r.View == viewAll || r.View == s.role {
			names = append(names, s.name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("scenario %s has no namespace for view %q", r.Scenario.Name, r.View)
	}
	return names, nil
}

func (r *run) prepare() error {
	s := r.Scenario
	if r.View == "" {
		r.View = s.Views[0]
	}
	r.result = Result{Scenario: s.Name, View: r.View, Expected: string(s.Cause)}
	if s.Twin() {
		r.result.Expected = "silence"
	}
	if !slices.Contains(s.Views, r.View) {
		return fmt.Errorf("scenario %s has no view %q: it has %q", s.Name, r.View, s.Views)
	}
	if os.Geteuid() != 0 {
		return errors.New("the lab makes network namespaces: run it as root")
	}
	if r.Binary != "" {
		return nil
	}
	var err error
	if r.Binary, err = os.Executable(); err != nil {
		return fmt.Errorf("find the agent's binary: %w", err)
	}
	return nil
}

// watch has the agent look on while the traffic runs.
func (r *run) watch(ctx context.Context, netns []string) (err error) {
	if r.agent, err = startAgent(r.Binary, r.Confirm, netns...); err != nil {
		return err
	}
	defer r.stopAgent()
	ready, cancel := r.limit(ctx, readyLimit)
	defer cancel()
	if err := r.agent.ready(ready); err != nil {
		return err
	}
	r.tell("agent watches %s", strings.Join(netns, ", "))
	if err := r.audit(ctx, netns); err != nil {
		return err
	}

	ctx, stop := context.WithCancelCause(ctx)
	r.begun = time.Now()
	done := make(chan error, 1)
	go func() {
		err := r.stage.traffic(ctx, r.meter)
		stop(err)
		done <- err
	}()
	if r.Scenario.Twin() {
		err = r.watchTwin(ctx)
	} else {
		err = r.watchFault(ctx)
	}
	r.stopAgent()
	r.judge()
	r.takeBack(context.WithoutCancel(ctx))
	stop(nil)
	if broke := <-done; err == nil {
		err = broke
	}
	return err
}

// stopAgent ends the agent once, and judges how it went.
func (r *run) stopAgent() {
	if r.agent == nil {
		return
	}
	a := r.agent
	r.result.Resident = peakMemory(a.cmd.Process.Pid)
	took, err := a.stop()
	r.agent = nil
	r.result.Stop = took
	if err != nil {
		r.result.problem("%v", err)
	}
	if took > stopLimit && !r.Relaxed {
		r.result.problem("the agent took %s to stop, not %s at most", seconds(took), stopLimit)
	}
	r.collect(a)
}

// collect takes over what the agent told.
func (r *run) collect(a *agent) {
	for _, t := range a.all() {
		r.result.Records = append(r.result.Records, t.raw)
	}
	for _, line := range a.strange {
		r.result.problem("the agent's output has a line that is no finding record: %.200s", line)
	}
	r.judgeAlarms(a.all())
}

// cleanUp removes the run's namespaces and looks whether that is true.
func (r *run) cleanUp() error {
	if r.Keep {
		r.tell("namespaces kept until the next run")
		return nil
	}
	if err := r.net.close(); err != nil {
		return err
	}
	left, err := leftovers(r.net.nonce)
	if err != nil {
		return err
	}
	for _, what := range left {
		r.result.problem("left behind: %s", what)
	}
	return nil
}

func (r *run) limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if r.Relaxed {
		d *= 5
	}
	return context.WithTimeout(ctx, d)
}

func (r *run) tell(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(Event{Elapsed: time.Since(r.started), Text: fmt.Sprintf(format, args...)})
	}
}
