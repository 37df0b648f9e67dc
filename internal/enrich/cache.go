// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package enrich

import (
	"container/list"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// maxSeen bounds the memory of processes: about a megabyte.
const maxSeen = 4096

type sight struct {
	process event.Process
	started uint64
}

// cache forgets the process that was least lately asked for.
type cache struct {
	limit int
	at    map[uint32]*list.Element
	order *list.List // of *remembered, newest first
}

type remembered struct {
	pid   uint32
	sight sight
}

func newCache(limit int) *cache {
	return &cache{limit: limit, at: map[uint32]*list.Element{}, order: list.New()}
}

func (c *cache) get(pid uint32) (sight, bool) {
	at, ok := c.at[pid]
	if !ok {
		return sight{}, false
	}
	c.order.MoveToFront(at)
	return at.Value.(*remembered).sight, true
}

func (c *cache) put(pid uint32, s sight) {
	if at, ok := c.at[pid]; ok {
		at.Value.(*remembered).sight = s
		c.order.MoveToFront(at)
		return
	}
	if c.order.Len() >= c.limit {
		oldest := c.order.Back()
		delete(c.at, oldest.Value.(*remembered).pid)
		c.order.Remove(oldest)
	}
	c.at[pid] = c.order.PushFront(&remembered{pid, s})
}
