// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// diagWalker counts a namespace's sockets by a dump of inet_diag (sock_diag(7)), where no
// program may walk them. The kernel copies each socket to user space for it: about five
// times as dear as the iterator, once in 30 s.
type diagWalker struct{}

// newDiagWalker errs where the kernel does not dump TCP sockets.
func newDiagWalker() (*diagWalker, error) {
	dump, err := openDiag("", 0)
	if err != nil {
		return nil, err
	}
	defer dump.close()
	if err := dump.each(unix.AF_INET, stateMask(stateListen), func(*diagSocket) {}); err != nil {
		return nil, err
	}
	return &diagWalker{}, nil
}

// The states of a socket as inet_diag tells them (net/tcp_states.h). A timewait socket has
// the state that it came from, and a timer of its own.
const (
	stateEstablished = 1
	stateSynSent     = 2
	stateFinWait1    = 4
	stateFinWait2    = 5
	stateTimeWait    = 6
	stateCloseWait   = 8
	stateLastAck     = 9
	stateListen      = 10
	stateClosing     = 11
)

func stateMask(states ...int) (mask uint32) {
	for _, s := range states {
		mask |= 1 << s
	}
	return mask
}

func (*diagWalker) walk(nsPath string, id event.Netns, low, high uint16) (*event.PortUse, error) {
	dump, err := openDiag(nsPath, id)
	if err != nil {
		return nil, err
	}
	defer dump.close()
	c := &diagCount{low: low, high: high, rows: map[wire.WalkKey]*wire.WalkRow{}}
	at := Now()
	held := stateMask(stateEstablished, stateSynSent, stateFinWait1, stateFinWait2,
		stateTimeWait, stateCloseWait, stateLastAck, stateClosing)
	for _, pass := range []struct {
		states uint32
		take   func(*diagSocket)
	}{{stateMask(stateListen), c.listens}, {held, c.holds}} {
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			if err := dump.each(family, pass.states, pass.take); err != nil {
				return nil, fmt.Errorf("dump sockets: %w", err)
			}
		}
	}
	use := c.use()
	use.Header = event.Header{Time: at, Netns: id}
	return use, nil
}

// diagCount sums a dump up as tb_timewait_socket does.
type diagCount struct {
	low, high uint16
	listening [1 << 16]bool
	rows      map[wire.WalkKey]*wire.WalkRow
	sums      wire.Walk
}

func (c *diagCount) listens(s *diagSocket) { c.listening[s.source.Port()] = true }

func (c *diagCount) holds(s *diagSocket) {
	if s.waits {
		c.sums.AllTimeWait++
	}
	port := s.source.Port()
	if port < c.low || port > c.high || c.listening[port] {
		return
	}
	key := wire.WalkKey{
		Source:      s.source.Addr().As16(),
		Destination: s.destination.Addr().As16(),
		Port:        s.destination.Port(),
	}
	row := c.rows[key]
	if row == nil {
		row = &wire.WalkRow{}
		c.rows[key] = row
	}
	if s.waits {
		row.TimeWait++
		c.sums.TimeWait++
	} else {
		row.Live++
		c.sums.Live++
	}
}

func (c *diagCount) use() *event.PortUse {
	t := newTally()
	for key, row := range c.rows {
		t.add(&key, row)
	}
	return t.use(&c.sums)
}
