// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// counters reads an array of per-CPU counters.
type counters struct {
	m      *ebpf.Map
	perCPU []uint64
	last   []uint64
}

func newCounters(m *ebpf.Map) *counters {
	return &counters{m: m, last: make([]uint64, m.MaxEntries())}
}

// moved gives a counter's sum, and whether it is not what it was at the last call.
func (c *counters) moved(index uint32) (uint64, bool, error) {
	if err := c.m.Lookup(index, &c.perCPU); err != nil {
		return 0, false, fmt.Errorf("read counter %d: %w", index, err)
	}
	var sum uint64
	for _, n := range c.perCPU {
		sum += n
	}
	changed := sum != c.last[index]
	c.last[index] = sum
	return sum, changed, nil
}
