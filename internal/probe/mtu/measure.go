// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kernel"
)

// run asks by one method after the other until one is answered, and searches by it.
func (m *measurement) run() (*Result, error) {
	order := []Method{Echo, UDP, TCP}
	if m.options.TCPFirst {
		order = []Method{TCP, Echo, UDP}
	}
	for _, method := range order {
		if method == TCP && m.options.Port == 0 {
			continue
		}
		l, err := m.begin(method)
		switch {
		case err == nil:
			defer l.shut()
			return m.search(l)
		case errors.Is(err, errClosed):
			m.notes = append(m.notes, fmt.Sprintf("nothing listens on TCP port %d", m.options.Port))
		case errors.Is(err, errSpent):
			return nil, m.nothing()
		case !errors.Is(err, ErrUnreachable):
			return nil, err
		}
	}
	return nil, m.nothing()
}

func (m *measurement) nothing() error {
	if m.refusal.IsValid() {
		return fmt.Errorf("%w from %s: %s says that it cannot be reached: look there for a missing route, a routing loop or a firewall",
			ErrUnreachable, m.options.Peer, m.refusal)
	}
	return fmt.Errorf("%w from %s to packets of any size, within %d packets: is it up, and does it answer ping, or a TCP port (--tcp PORT)?",
		ErrUnreachable, m.options.Peer, m.budget.sent)
}

// begin opens a line by a method and sees that small packets are answered on it. The
// caller shuts it.
func (m *measurement) begin(method Method) (*line, error) {
	var l *line
	err := host.Inside(m.options.At.Path, m.options.At.Inode, func() (err error) {
		l, err = m.open(method)
		return err
	})
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) && !errors.Is(err, ErrUnreachable) {
		return nil, fmt.Errorf("%w: probing needs CAP_NET_RAW, and CAP_SYS_ADMIN for another namespace: run it with sudo: %w", kernel.ErrPrivilege, err)
	}
	if err != nil {
		return nil, err
	}
	if err := l.greet(); err != nil {
		for i := range l.shots {
			if what := l.shots[i].what; what == refused || what == expired {
				m.refusal = l.shots[i].by
			}
		}
		l.shut()
		return nil, err
	}
	return l, nil
}

// open makes the sockets, in the calling thread's namespace.
func (m *measurement) open(method Method) (*line, error) {
	o := &m.options
	l := &line{peer: o.Peer, six: o.Peer.Is6(), ctx: m.ctx, budget: m.budget, progress: o.Progress}
	var err error
	if l.fd, err = rawSocket(protocolOf(method, l.six), o.From, o.Peer); err != nil {
		return nil, err
	}
	if l.codec, err = codecOf(method, o); err != nil {
		_ = unix.Close(l.fd) // nothing was sent
		return nil, err
	}
	return l, nil
}

func protocolOf(method Method, six bool) int {
	switch method {
	case UDP:
		return (*udp)(nil).protocol(six)
	case TCP:
		return (*tcp)(nil).protocol(six)
	default:
		return (*echo)(nil).protocol(six)
	}
}

func codecOf(method Method, o *Options) (codec, error) {
	switch method {
	case UDP:
		return newUDP(o.From, o.Peer)
	case TCP:
		return newTCP(o.From, netip.AddrPortFrom(o.Peer, o.Port))
	default:
		return newEcho(o.Peer.Is6()), nil
	}
}

func (l *line) shut() {
	l.close()
	_ = unix.Close(l.fd) // everything was read
}

// handshakePackets are what a connection takes to open and to reset.
const handshakePackets = 3

// Small packets that are sent before a method is given up, how soon one follows the
// other, and how long the last is waited for: a satellite's round trip is 0.6 s.
const (
	greetings  = 3
	greetEvery = 150 * time.Millisecond
	greetLast  = 500 * time.Millisecond
)

// greet sees that a small packet is answered.
func (l *line) greet() error {
	if t, ok := l.codec.(*tcp); ok {
		if err := l.budget.spend(handshakePackets); err != nil {
			return err
		}
		if err := t.open(l); err != nil {
			return err
		}
	}
	for i := range greetings {
		if err := l.budget.spend(1); err != nil {
			return err
		}
		if err := l.send(aim{size: MinSize}); err != nil {
			return err
		}
		wait := greetEvery
		if i == greetings-1 {
			wait = greetLast
		}
		if err := l.listen(time.Now().Add(wait), func() bool { return l.best > 0 }); err != nil {
			return err
		}
		if l.best > 0 {
			l.report(&l.shots[len(l.shots)-1])
			return nil
		}
	}
	return fmt.Errorf("%w to %s", ErrUnreachable, l.method())
}
