// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// segment is one file of a log. Its name holds the number of its first entry.
type segment struct {
	path        string
	first, last uint64 // numbers of its entries
	count       int
	size        int64 // bytes of whole frames
	passed      place
}

// place is where an entry ends: who asks for what comes after that entry, or a
// later one, need not read from the start.
type place struct {
	order uint64
	at    int64
}

// log is a queue of entries in segments: written at the end of the newest, read from
// the oldest, thrown away one segment at a time.
type log struct {
	dir, kind string
	room      int64 // bytes after which a segment is full
	segments  []*segment
	file      *os.File // the newest segment, nil until it is written to
	torn      int      // segments that were found cut or garbled
}

// openLog reads what an earlier run left. A cut end is cut off.
func openLog(dir, kind string, room int64) (*log, error) {
	l := &log{dir: dir, kind: kind, room: room}
	paths, err := filepath.Glob(filepath.Join(dir, kind+"-*"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths) // the numbers have leading zeros
	for _, path := range paths {
		if err := l.adopt(path); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *log) adopt(path string) error {
	s := &segment{path: path}
	_, err := fmt.Sscanf(strings.TrimPrefix(filepath.Base(path), l.kind+"-"), "%d", &s.first)
	if err != nil {
		return nil //nolint:nilerr // a file of that name is not ours: it stays where it is
	}
	torn, err := s.scan()
	if err != nil {
		return err
	}
	if torn {
		l.torn++
		if err := os.Truncate(path, s.size); err != nil {
			return err
		}
	}
	if s.count == 0 {
		return os.Remove(path)
	}
	l.segments = append(l.segments, s)
	return nil
}

// scan counts the whole frames, and tells whether something else follows them.
func (s *segment) scan() (torn bool, err error) {
	file, err := os.Open(s.path)
	if err != nil {
		return false, err
	}
	defer file.Close() // only read
	r := bufio.NewReader(file)
	for {
		entry, length, err := readFrame(r)
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return true, nil
		}
		s.last = entry.order
		s.count++
		s.size += length
	}
}

// size gives the bytes on disk.
func (l *log) size() int64 {
	var n int64
	for _, s := range l.segments {
		n += s.size
	}
	return n
}

// last gives the number of the newest entry, 0 where there is none.
func (l *log) last() uint64 {
	if len(l.segments) == 0 {
		return 0
	}
	return l.segments[len(l.segments)-1].last
}

// write appends one frame. A frame that the disk has no room for is taken back.
func (l *log) write(frame []byte, order uint64) error {
	s, err := l.newest(order)
	if err != nil {
		return err
	}
	if _, err := l.file.WriteAt(frame, s.size); err != nil {
		return errors.Join(err, l.takeBack(s))
	}
	s.size += int64(len(frame))
	s.last = order
	s.count++
	return nil
}

// takeBack leaves nothing of a frame that was not written whole: of the first of a segment
// not even that, else who makes room by dropping segments would never come to an end.
func (l *log) takeBack(s *segment) error {
	if s.count > 0 {
		return l.file.Truncate(s.size)
	}
	l.closeFile()
	l.segments = l.segments[:len(l.segments)-1]
	return os.Remove(s.path)
}

// newest gives the segment to write to: a new one where the last is full, or was an
// earlier run's.
func (l *log) newest(order uint64) (*segment, error) {
	if l.file != nil {
		if s := l.segments[len(l.segments)-1]; s.size < l.room {
			return s, nil
		}
		l.closeFile()
	}
	path := filepath.Join(l.dir, fmt.Sprintf("%s-%020d", l.kind, order))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	l.file = file
	s := &segment{path: path, first: order, last: order}
	l.segments = append(l.segments, s)
	return s, nil
}

func (l *log) closeFile() {
	if l.file != nil {
		_ = l.file.Close() // every frame was written; nothing is buffered here
		l.file = nil
	}
}

// drop removes the oldest segment and gives it.
func (l *log) drop() (*segment, error) {
	s := l.segments[0]
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l.segments = l.segments[1:]
	if len(l.segments) == 0 {
		l.closeFile()
	}
	return s, nil
}

// settle removes the segments whose entries are all numbered up to done.
func (l *log) settle(done uint64) error {
	for len(l.segments) > 0 && l.segments[0].last <= done && l.segments[0].count > 0 {
		if _, err := l.drop(); err != nil {
			return err
		}
	}
	return nil
}

// read gives the entries numbered above after, in order, until they are enough.
func (l *log) read(after uint64, enough int) ([]stored, error) {
	var found []stored
	for _, s := range l.segments {
		if s.last <= after || len(found) >= enough {
			continue
		}
		more, err := s.read(after, enough-len(found))
		if errors.Is(err, errTorn) {
			l.torn++
			err = nil
		}
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// read gives the entries of one segment. Where it is garbled by now it ends there, for
// good, and the error is errTorn.
func (s *segment) read(after uint64, enough int) ([]stored, error) {
	file, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // only read
	if s.passed.order > after {
		s.passed = place{}
	}
	at := s.passed.at
	r := bufio.NewReader(io.NewSectionReader(file, at, s.size-at))
	var found []stored
	for len(found) < enough {
		entry, length, err := readFrame(r)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			s.size = at
			return found, err
		}
		at += length
		if entry.order > after {
			found = append(found, entry)
			continue
		}
		s.passed = place{order: entry.order, at: at}
	}
	return found, nil
}
