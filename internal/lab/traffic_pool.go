// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// pool is a client that keeps its connections: a proxy towards its upstreams, or a
// program that leaks. It opens one after the other up to a size, each to the next
// destination, and uses those it has from then on.
type pool struct {
	calls []caller
	size  int
	// atOnce opens the whole pool when the program starts.
	atOnce bool
	// reformed asks for a restart with good manners.
	reformed atomic.Bool
	// restarted asks for a restart as it was.
	restarted atomic.Bool
	// manners is what a reformed pool does otherwise.
	manners func(p *pool)

	held []int
	next int
}

// run opens or uses a connection rate times a second.
func (p *pool) run(s *space, name string, rate int) job {
	return inside(s, name, func(ctx context.Context, m *meter) error {
		defer p.drop()
		for range p.size {
			if p.atOnce {
				m.attemptPort(p.step())
			}
		}
		pace(ctx, rate, rate*300, func() {
			if p.reformed.CompareAndSwap(true, false) {
				p.drop()
				p.manners(p)
			}
			if p.restarted.CompareAndSwap(true, false) {
				p.drop()
			}
			m.attemptPort(p.step())
		})
		return nil
	})
}

func (p *pool) step() error {
	if len(p.held) >= p.size {
		p.next++
		return ask(p.held[p.next%len(p.held)], patience)
	}
	call := p.calls[p.next%len(p.calls)]
	fd, err := call.dial()
	if err != nil {
		return err
	}
	p.next++
	p.held = append(p.held, fd)
	return ask(fd, patience)
}

// drop resets all connections, so that no TIME_WAIT of theirs is left to confuse
// what comes after.
func (p *pool) drop() {
	for _, fd := range p.held {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		_ = unix.Close(fd)
	}
	p.held = nil
}
