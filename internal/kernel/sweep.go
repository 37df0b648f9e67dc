// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// sweepSize is how many rows one system call brings: more than any bucket holds.
const sweepSize = 1024

// sweep reads a hash map's rows in few system calls, with buffers of its own. Rows
// that come or go meanwhile may be missed or told twice.
type sweep[K, V any] struct {
	m      *ebpf.Map
	keys   []K
	values []V
}

func newSweep[K, V any](m *ebpf.Map) *sweep[K, V] {
	return &sweep[K, V]{m: m, keys: make([]K, sweepSize), values: make([]V, sweepSize)}
}

// read calls f for each row and leaves the rows where they are. The pointers are
// valid during the call.
func (s *sweep[K, V]) read(f func(*K, *V)) error { return s.batches(s.m.BatchLookup, f) }

// take is read, but removes each row as it reads it.
func (s *sweep[K, V]) take(f func(*K, *V)) error { return s.batches(s.m.BatchLookupAndDelete, f) }

type batch func(*ebpf.MapBatchCursor, any, any, *ebpf.BatchOptions) (int, error)

func (s *sweep[K, V]) batches(next batch, f func(*K, *V)) error {
	var cursor ebpf.MapBatchCursor
	for {
		n, err := next(&cursor, s.keys, s.values, nil)
		for i := range n {
			f(&s.keys[i], &s.values[i])
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) { // that was the last
			return nil
		}
		if err != nil {
			return fmt.Errorf("read map: %w", err)
		}
	}
}
