// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"slices"
	"sync"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Reserve is how many times its size a queue grows for records that must not be
// lost, before even those are.
const Reserve = 2

// queue holds what waits for one sink. Adding never blocks: a full queue loses its
// oldest update, since the next one tells all that it told. What opens, raises,
// confirms or resolves a finding is told once, so it may use the reserve.
type queue struct {
	mu      sync.Mutex
	records []*finding.Record
	size    int
	closed  bool
	// taken tells that what was taken out last is still being written.
	taken bool
	// wake has room for one token: there is something to do.
	wake chan struct{}
}

func newQueue(size int) *queue {
	return &queue{size: size, wake: make(chan struct{}, 1)}
}

// add puts a record in and gives the one that had to go for it: an older update,
// the record itself, or nil.
func (q *queue) add(r *finding.Record) (lost *finding.Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return r
	}
	if len(q.records) >= q.size {
		if lost = q.makeRoom(r); lost == r {
			return r
		}
	}
	q.records = append(q.records, r)
	q.rouse()
	return lost
}

// makeRoom takes the oldest update out. Where there is none, it gives nil for a
// record that may use the reserve, and r itself where there is no place for it.
func (q *queue) makeRoom(r *finding.Record) *finding.Record {
	if i := slices.IndexFunc(q.records, (*finding.Record).Expendable); i >= 0 {
		lost := q.records[i]
		q.records = slices.Delete(q.records, i, i+1)
		return lost
	}
	if r.Expendable() || len(q.records) >= Reserve*q.size {
		return r
	}
	return nil
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.records)
}

func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// idle tells whether everything that was put in has been taken out and written.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.records) == 0 && !q.taken
}

// take waits for the oldest record; ok is false once the queue is closed and empty. Who
// comes for the next one has written the last.
func (q *queue) take() (r *finding.Record, ok bool) {
	for {
		r, done := q.next()
		if r != nil || done {
			return r, r != nil
		}
		<-q.wake
	}
}

func (q *queue) next() (r *finding.Record, done bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = len(q.records) > 0
	if !q.taken {
		return nil, q.closed
	}
	r = q.records[0]
	q.records = slices.Delete(q.records, 0, 1)
	return r, false
}

// close lets nothing more in. What is in can still be taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.rouse()
}

// drain closes the queue and takes all that is left.
func (q *queue) drain() []*finding.Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := q.records
	q.records, q.closed = nil, true
	q.rouse()
	return rest
}
