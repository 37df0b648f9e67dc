// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"sync"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// ear keeps copies of everything that a kernel tells.
type ear struct {
	mu       sync.Mutex
	drops    []event.Drop
	failures []event.PortFailure
	pressure []event.PortPressure
	losses   []event.Loss
	resends  []event.Retransmit
	errors   []event.TooBig
	stop     func()
}

// listen runs k until the test ends or hush is called.
func listen(t *testing.T, k *Kernel) *ear {
	t.Helper()
	e := &ear{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx, e.take) }()
	e.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(e.stop)
	return e
}

func (e *ear) take(seen event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch seen := seen.(type) {
	case *event.Drop:
		e.drops = append(e.drops, *seen)
	case *event.PortFailure:
		e.failures = append(e.failures, *seen)
	case *event.PortPressure:
		e.pressure = append(e.pressure, *seen)
	case *event.Retransmit:
		e.resends = append(e.resends, *seen)
	case *event.TooBig:
		e.errors = append(e.errors, *seen)
	case *event.Loss:
		e.losses = append(e.losses, *seen)
	}
}

// hush ends the run: what was lost or uncounted by then was told.
func (e *ear) hush() { e.stop() }

// lastDrop gives the newest drop that is wanted, nil if there is none.
func (e *ear) lastDrop(wanted func(*event.Drop) bool) *event.Drop {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := len(e.drops) - 1; i >= 0; i-- {
		if wanted(&e.drops[i]) {
			found := e.drops[i]
			return &found
		}
	}
	return nil
}

// lastResend gives the newest time-out that was told, nil if there is none.
func (e *ear) lastResend() *event.Retransmit {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.resends) == 0 {
		return nil
	}
	found := e.resends[len(e.resends)-1]
	return &found
}

// lastError gives the newest ICMP "too big" that was told, nil if there is none.
func (e *ear) lastError() *event.TooBig {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.errors) == 0 {
		return nil
	}
	found := e.errors[len(e.errors)-1]
	return &found
}

// countErrors gives how many were told since forgetErrors.
func (e *ear) countErrors() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.errors)
}

// forgetErrors starts anew.
func (e *ear) forgetErrors() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.errors = nil
}

func (e *ear) lastFailure(wanted func(*event.PortFailure) bool) *event.PortFailure {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := len(e.failures) - 1; i >= 0; i-- {
		if wanted(&e.failures[i]) {
			found := e.failures[i]
			return &found
		}
	}
	return nil
}

func (e *ear) lastPressure(id event.Netns) *event.PortPressure {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := len(e.pressure) - 1; i >= 0; i-- {
		if e.pressure[i].Netns == id {
			found := e.pressure[i]
			return &found
		}
	}
	return nil
}
