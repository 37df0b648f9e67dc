// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/sink"
)

// segments is into how many segments the limit is cut: what is thrown away at once
// where the disk is full.
const segments = 32

// errFull tells that there is no room and nothing that may be thrown away for it.
var errFull = errors.New("the spool is full of records that must not be lost")

// queue is a bounded queue of entries on disk, in two logs: what must not be lost, and
// the updates that may be. To make room is to drop the oldest segment of updates, and
// to read is to merge the two by the numbers of their entries.
type queue struct {
	dir   string
	limit int64
	lock  *os.File
	acked *os.File

	mu            sync.Mutex
	keep, updates *log
	next          uint64 // number of the next entry
	done          uint64 // entries up to this number need not be sent again
	dropped       uint64
}

// openQueue takes hold of a folder, which must be another process's no longer.
func openQueue(dir string, limit int64) (*queue, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	q := &queue{dir: dir, limit: limit}
	if err := q.open(); err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

func (q *queue) open() error {
	var err error
	if q.lock, err = os.OpenFile(filepath.Join(q.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := unix.Flock(int(q.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("%s is in use by another trapbpf: give this one a state-directory of its own", q.dir)
	}
	if q.acked, err = os.OpenFile(filepath.Join(q.dir, "acked"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := q.reserveAcked(); err != nil {
		return err
	}
	room := max(q.limit/segments, 1)
	if q.keep, err = openLog(q.dir, "keep", room); err != nil {
		return err
	}
	if q.updates, err = openLog(q.dir, "update", room); err != nil {
		return err
	}
	q.done = q.readAcked()
	q.next = max(q.done, q.keep.last(), q.updates.last()) + 1
	return q.settle()
}

// reserveAcked gives the mark its place on disk now: later there may be none.
func (q *queue) reserveAcked() error {
	stat, err := q.acked.Stat()
	if err != nil || stat.Size() > 0 {
		return err
	}
	_, err = q.acked.WriteAt(mark(0), 0)
	return err
}

// mark is the number up to which all was sent, with its sum.
func mark(order uint64) []byte {
	text := binary.LittleEndian.AppendUint64(nil, order)
	return binary.LittleEndian.AppendUint32(text, crc32.Checksum(text, castagnoli()))
}

// readAcked gives the number up to which an earlier run had sent. Where it cannot be
// read, everything is sent again: twice is better than never.
func (q *queue) readAcked() uint64 {
	var text [12]byte
	if _, err := q.acked.ReadAt(text[:], 0); err != nil {
		return 0
	}
	if crc32.Checksum(text[:8], castagnoli()) != binary.LittleEndian.Uint32(text[8:]) {
		return 0
	}
	return binary.LittleEndian.Uint64(text[:])
}

// add puts an entry in. It gives errFull, or the disk's error, where there is no room.
func (q *queue) add(e sink.Entry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	frame, err := appendFrame(nil, stored{order: q.next, entry: e})
	if err != nil {
		return err
	}
	into := q.keep
	if e.Expendable() {
		into = q.updates
	}
	if err := q.makeRoom(int64(len(frame))); err != nil {
		if e.Expendable() {
			q.dropped++
			return nil
		}
		return err
	}
	err = into.write(frame, q.next)
	for errors.Is(err, unix.ENOSPC) && len(q.updates.segments) > 0 {
		if err := q.dropUpdates(); err != nil {
			return err
		}
		err = into.write(frame, q.next)
	}
	if err != nil {
		return err
	}
	q.next++
	return nil
}

// makeRoom drops updates until so many bytes fit below the limit.
func (q *queue) makeRoom(more int64) error {
	for q.size()+more > q.limit {
		if len(q.updates.segments) == 0 {
			return errFull
		}
		if err := q.dropUpdates(); err != nil {
			return err
		}
	}
	return nil
}

func (q *queue) dropUpdates() error {
	s, err := q.updates.drop()
	if err != nil {
		return err
	}
	if s.last > q.done {
		q.dropped += uint64(s.count)
	}
	return nil
}

func (q *queue) size() int64 { return q.keep.size() + q.updates.size() }

// peek gives the oldest entries that are not sent, at most enough of them.
func (q *queue) peek(enough int) ([]stored, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	found, err := q.keep.read(q.done, enough)
	if err != nil {
		return nil, err
	}
	updates, err := q.updates.read(q.done, enough)
	if err != nil {
		return nil, err
	}
	found = append(found, updates...)
	slices.SortFunc(found, func(a, b stored) int { return cmp.Compare(a.order, b.order) })
	return found[:min(len(found), enough)], nil
}

// ack tells that the entries up to a number need not be sent again.
func (q *queue) ack(order uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done = order
	if _, err := q.acked.WriteAt(mark(order), 0); err != nil {
		return err
	}
	return q.settle()
}

func (q *queue) settle() error {
	return errors.Join(q.keep.settle(q.done), q.updates.settle(q.done))
}

// stand gives the bytes that are kept and how many updates were dropped so far.
func (q *queue) stand() (size int64, dropped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.size(), q.dropped
}

// close lets go of the folder; what is in it stays.
func (q *queue) close() {
	for _, l := range []*log{q.keep, q.updates} {
		if l != nil {
			l.closeFile()
		}
	}
	for _, f := range []*os.File{q.acked, q.lock} {
		if f != nil {
			_ = f.Close() // nothing is buffered
		}
	}
}
