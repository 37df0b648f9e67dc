// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package host answers the engine's questions about the host: how a network
// namespace routes, which ports it has, who a process is, where a namespace is.
//
// Every answer is an event, so that a recording holds it. All that the package
// knows of the outside comes through a World, so that a test can give it another.
package host

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// ErrGone tells that a namespace, or the file by which it was known, is no more.
var ErrGone = errors.New("network namespace is gone")

// Host answers questions. Its methods may be called at the same time.
type Host struct {
	world World
	own   event.Netns

	mu    sync.Mutex
	known map[event.Netns]Target
	scans limit
	// cachesSeen are the caching resolvers found at cachesAt.
	cachesSeen []event.Cache
	cachesAt   event.Time
	// order is what was last seen of each namespace's packets out of order.
	order map[event.Netns]disorder
	// waits is what was last seen of each namespace's unanswered SYNs.
	waits map[event.Netns]waiting
}

// New gives a host that looks at w. It reads the inode of the caller's namespace,
// which is the agent's own from then on, and nothing else before the first question.
func New(w World) *Host {
	own, err := w.Inode(ownPath)
	if err != nil {
		own = 0 // no /proc: every namespace is then found, or not, by its path
	}
	return &Host{world: w, own: own, known: map[event.Netns]Target{}, order: map[event.Netns]disorder{}, waits: map[event.Netns]waiting{}}
}

// Own gives the inode of the namespace that the agent itself runs in, 0 where
// /proc does not tell.
func (h *Host) Own() event.Netns { return h.own }

// Answer looks up one want. A namespace that is gone is an answer too: a
// *event.Namespace with Gone set, whatever was asked. An error means that the
// question could not be put, or that the kernel refused it.
//
// The lookups are short and not broken off in the middle: ctx is heeded before
// and between them.
func (h *Host) Answer(ctx context.Context, w event.Want) (event.Event, error) {
	if w.Of == event.KindProcess {
		return h.process(w), nil
	}
	answer, err := h.inquire(ctx, w)
	if errors.Is(err, ErrGone) { // its file went between finding and entering
		h.forget(w.Netns)
		answer, err = h.inquire(ctx, w)
	}
	if errors.Is(err, ErrGone) {
		return &event.Namespace{Header: h.head(w), Gone: true}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("answer %s of namespace %d: %w", w.Of, w.Netns, err)
	}
	return answer, nil
}

func (h *Host) inquire(ctx context.Context, w event.Want) (event.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at, err := h.find(w.Netns)
	if err != nil {
		return nil, err
	}
	switch w.Of {
	case event.KindNamespace:
		answer := h.Describe(at)
		answer.Header = h.head(w)
		return answer, nil
	case event.KindRouting:
		return h.routing(at, w)
	case event.KindRouteBack:
		return h.routeBack(at, w)
	case event.KindPortSettings:
		return h.portSettings(at, w)
	case event.KindPortUse:
		return h.portUse(at, w)
	case event.KindPath:
		return h.path(at, w)
	case event.KindConnections:
		return h.connections(at, w)
	case event.KindFirewall:
		return h.firewall(at, w)
	case event.KindResolver:
		return h.resolver(at, w)
	case event.KindUplinks:
		return h.uplinks(at, w)
	default:
		return nil, errors.New("no such fact")
	}
}

func (h *Host) process(w event.Want) event.Event {
	answer := &event.Process{PID: w.PID}
	if h.world.Process != nil {
		*answer = h.world.Process(w.PID, w.Cgroup)
	}
	answer.Header = h.head(w)
	return answer
}

// head stamps an answer with the moment at which the facts had been read.
func (h *Host) head(w event.Want) event.Header {
	return event.Header{Time: h.world.Now(), Netns: w.Netns}
}

// inside runs do where at is.
func (h *Host) inside(at Target, do func() error) error {
	return h.world.Inside(at.Path, at.Inode, do)
}
