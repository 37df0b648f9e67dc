// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"strconv"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// errInOrder tells that no segment has come in out of order since the last look: so
// no connection has begun to wait for missing bytes, and there is nothing to sweep.
var errInOrder = errors.New("nothing came in out of order")

// disorder is what was seen of a namespace's segments out of order.
type disorder struct {
	queued uint64 // TCPOFOQueue
	holes  bool   // the last sweep found some
}

// maxDisorders bounds Host.order; beyond it every look is a sweep.
const maxDisorders = 4096

// connections answers which connections wait for missing bytes. Without a peer the
// sweep is spared where the namespace's own counter shows that there can be none:
// then a look costs the reading of one file.
func (h *Host) connections(at Target, w event.Want) (event.Event, error) {
	if h.world.Connections == nil {
		return nil, errors.New("the sweep over connections is not attached")
	}
	var queued uint64
	err := h.inside(at, func() (err error) {
		queued, err = h.outOfOrder()
		return err
	})
	if err != nil {
		return nil, err
	}
	if !w.To.IsValid() && h.inOrder(at.Inode, queued) {
		return nil, errInOrder
	}
	answer, err := h.world.Connections(at.Path, at.Inode, w.To)
	if err != nil {
		return nil, err
	}
	h.swept(answer, at.Inode, queued)
	answer.Header = h.head(w)
	return answer, nil
}

func (h *Host) outOfOrder() (uint64, error) {
	content, err := h.world.ReadFile(netstatPath)
	if err != nil {
		return 0, err
	}
	return counter(string(content), "TcpExt:", "TCPOFOQueue"), nil
}

// inOrder tells whether a sweep can be spared.
func (h *Host) inOrder(id event.Netns, queued uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	last, known := h.order[id]
	return known && !last.holes && last.queued == queued
}

func (h *Host) swept(answer *event.Connections, id event.Netns, queued uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.order) >= maxDisorders {
		clear(h.order)
	}
	holes := answer.Untold > 0
	for i := range answer.Rows {
		holes = holes || answer.Rows[i].Hole > 0
	}
	h.order[id] = disorder{queued: queued, holes: holes}
}

// snmp6 finds a value in /proc/net/snmp6, a name and a number a line. A name that is
// not there counts 0.
func snmp6(content, name string) uint64 {
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[0] == name {
			n, _ := strconv.ParseUint(fields[1], 10, 64)
			return n
		}
	}
	return 0
}
