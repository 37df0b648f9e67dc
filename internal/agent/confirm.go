// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/probe/mtu"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// What active probes may cost: one a minute for each destination, few at once, and few
// that wait.
const (
	probeEvery   = time.Minute
	probesAtOnce = 2
	maxProbes    = 64
	maxProbed    = 1024
)

// confirmer runs the probes that detectors want, where they are allowed.
type confirmer struct {
	agent *Agent
	wants chan event.Want

	mu   sync.Mutex
	last map[probed]time.Time // when each was taken up
}

// probed is what one probe in a minute is allowed for.
type probed struct {
	netns event.Netns
	peer  netip.Addr
}

func newConfirmer(a *Agent) *confirmer {
	return &confirmer{agent: a, wants: make(chan event.Want, maxProbes), last: map[probed]time.Time{}}
}

// ask takes up a probe, unless it is not allowed, or not so soon: detectors ask again.
func (c *confirmer) ask(w event.Want) {
	if !c.agent.config.Confirm || !c.due(probed{w.Netns, w.To}, time.Now()) {
		return
	}
	select {
	case c.wants <- w:
	default: // a minute later there may be room
	}
}

// due tells whether a destination's last probe is long enough ago, and counts this one.
func (c *confirmer) due(p probed, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, known := c.last[p]; known && now.Sub(at) < probeEvery {
		return false
	}
	for old, at := range c.last {
		if now.Sub(at) >= probeEvery {
			delete(c.last, old)
		}
	}
	if len(c.last) >= maxProbed {
		return false
	}
	c.last[p] = now
	return true
}

// run probes until ctx ends.
func (c *confirmer) run(ctx context.Context) {
	var workers sync.WaitGroup
	for range probesAtOnce {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case w := <-c.wants:
					c.probe(ctx, w)
				}
			}
		})
	}
	workers.Wait()
}

// probe answers one want into the stream, from the namespace that it is about.
func (c *confirmer) probe(ctx context.Context, w event.Want) {
	at, there := c.agent.host.Locate(w.Netns)
	if !there {
		return
	}
	c.agent.take(&event.PathProbe{Header: event.Header{Time: kernel.Now(), Netns: w.Netns}, Peer: w.To, From: w.From, UnderWay: true})
	result, err := mtu.Measure(ctx, mtu.Options{At: at, Peer: w.To, From: w.From, Port: w.Port})
	if ctx.Err() != nil || errors.Is(err, host.ErrGone) {
		return
	}
	c.agent.log.Info("probed a path",
		zap.String("event.dataset", "trapbpf.agent"), zap.String("event.kind", "event"),
		zap.Uint32("netns", uint32(w.Netns)), zap.Stringer("peer", w.To), zap.Any("result", result), zap.Error(err))
	c.agent.take(probeEvent(w, result, err))
}

func probeEvent(w event.Want, r *mtu.Result, err error) *event.PathProbe {
	e := &event.PathProbe{Header: event.Header{Time: kernel.Now(), Netns: w.Netns}, Peer: w.To, From: w.From}
	switch {
	case errors.Is(err, mtu.ErrUnreachable):
		e.Error = "no answer"
		return e
	case errors.Is(err, kernel.ErrPrivilege):
		e.Error = "not allowed"
		return e
	case err != nil:
		e.Error = "not possible"
		return e
	}
	e.Method, e.Passed, e.Lost, e.Exact = string(r.Method), uint32(r.Passed), uint32(r.Lost), r.Exact
	e.Silent, e.Told, e.ToldBy = r.Verdict == mtu.Silent, uint32(r.Told), r.ToldBy
	e.LastHop, e.LastHopAddr = uint8(r.LastHop.TTL), r.LastHop.Addr
	e.NextHop, e.NextHopAddr = uint8(r.NextHop.TTL), r.NextHop.Addr
	e.Packets, e.Took = uint32(r.Packets), r.Took
	return e
}

// own tells whether an event is about what this agent itself did by probing: a connect,
// or an error that one of its sockets was told. Those are nobody's trouble.
func own(e event.Event) bool {
	switch e := e.(type) {
	case *event.Dial:
		return int(e.Owner.PID) == os.Getpid()
	case *event.Refusal:
		return int(e.Owner.PID) == os.Getpid()
	default:
		return false
	}
}
