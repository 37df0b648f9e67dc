// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// app is a program that connects to a service by its name.
type app struct {
	resolver stub
	service  string
	// keeps makes it resolve once, when it starts, and dial that for ever.
	keeps bool
	// holds makes it keep one connection open and use that.
	holds bool
	// datagrams makes it connect by UDP.
	datagrams bool
	// wants picks among the addresses; nil for the first.
	wants func([]netip.Addr) netip.Addr
	// each is told of each address that is dialled, before it is; nil for nobody.
	each func(m *meter, to netip.Addr)
	// reformed makes it resolve for each connection from now on.
	reformed atomic.Bool

	at netip.Addr
	fd int
}

// run makes the app call its service rate times a second.
func (a *app) run(s *space, name string, rate int) job {
	return inside(s, name, func(ctx context.Context, m *meter) error {
		a.fd = -1
		defer a.hangUp()
		pace(ctx, rate, rate*300, func() { m.attempt(a.step(m)) })
		return nil
	})
}

func (a *app) step(m *meter) error {
	if a.fd >= 0 && !a.reformed.Load() {
		return ask(a.fd, patience)
	}
	if !a.at.IsValid() || !a.keeps || a.reformed.Load() {
		if err := a.resolve(); err != nil {
			return err
		}
	}
	if a.each != nil {
		a.each(m, a.at)
	}
	return a.call()
}

func (a *app) resolve() error {
	found, err := a.resolver.addresses(a.service)
	if err != nil {
		return err
	}
	a.at = found[0]
	if a.wants != nil {
		a.at = a.wants(found)
	}
	return nil
}

func (a *app) call() error {
	call := caller{to: netip.AddrPortFrom(a.at, webPort), within: patience}
	if a.datagrams {
		call.within = time.Second // what a server that goes away had in its hands is lost
		return call.connectDatagram()
	}
	if !a.holds {
		return call.call()
	}
	a.hangUp()
	fd, err := call.dial()
	if err != nil {
		return err
	}
	a.fd = fd
	return ask(fd, patience)
}

func (a *app) hangUp() {
	if a.fd >= 0 {
		_ = unix.Close(a.fd)
		a.fd = -1
	}
}

// connectDatagram connects a UDP socket, sends once, and is told at once where nobody
// listens.
func (c caller) connectDatagram() error {
	family := unix.AF_INET
	if c.to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("make socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, socketAddress(c.to)); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return ask(fd, c.within)
}

// after does something once, a while after the traffic's start.
func after(d time.Duration, do func()) job {
	return func(ctx context.Context, _ *meter) error {
		select {
		case <-ctx.Done():
		case <-time.After(d):
			do()
			<-ctx.Done()
		}
		return nil
	}
}

// every does something again and again until the traffic ends.
func every(d time.Duration, do func()) job {
	return func(ctx context.Context, _ *meter) error {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				do()
			}
		}
	}
}

// until ends a job before its time.
func until(end <-chan struct{}, run job) job {
	return func(ctx context.Context, m *meter) error {
		early, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			select {
			case <-end:
				cancel()
			case <-early.Done():
			}
		}()
		err := run(early, m)
		<-ctx.Done()
		return err
	}
}

// unmeasured runs a job whose tries do not count.
func unmeasured(run job) job {
	return func(ctx context.Context, _ *meter) error { return run(ctx, newMeter()) }
}
