// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/sink/ecs"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const patience = 20 * time.Second

// remote is one whose answers the test decides.
type remote struct {
	mu     sync.Mutex
	answer func(entries []sink.Entry) (int, error)
	took   []string
}

func (r *remote) Name() string { return "remote" }

func (r *remote) Close() error { return nil }

func (r *remote) Send(_ context.Context, entries []sink.Entry) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.answer(entries)
	for _, e := range entries[:n] {
		r.took = append(r.took, e.ID)
	}
	return n, err
}

func (r *remote) have() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.took)
}

func (r *remote) set(answer func([]sink.Entry) (int, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func all(entries []sink.Entry) (int, error) { return len(entries), nil }

func away([]sink.Entry) (int, error) { return 0, errors.New("connection refused") }

// reports keeps what a spool tells.
type reports struct {
	mu  sync.Mutex
	all []sink.Report
}

func (r *reports) hear(report sink.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, report)
}

func (r *reports) heard() []sink.Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

func startAt(t *testing.T, dir string, to *remote) (*Sink, *reports) {
	t.Helper()
	heard := &reports{}
	s := New(to, ecs.Encoder{}, Options{Dir: dir, Limit: MinLimit, Report: heard.hear})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s, heard
}

func record(id int) *finding.Record {
	return &finding.Record{ID: fmt.Sprint(id), Action: finding.Opened, Alert: true, Sequence: uint64(id)}
}

func writeAll(t *testing.T, s *Sink, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := s.Write(record(i)); err != nil {
			t.Fatal(err)
		}
	}
}

func numbers(from, to int) []string {
	var words []string
	for i := from; i < to; i++ {
		words = append(words, fmt.Sprint(i))
	}
	return words
}

func arrived(t *testing.T, r *remote, want []string) {
	t.Helper()
	kerneltest.Within(t, patience, fmt.Sprintf("%d records", len(want)), func() bool { return len(r.have()) >= len(want) })
	if got := r.have(); !slices.Equal(got, want) {
		t.Errorf("took %v, want %v", got, want)
	}
}

func TestRemoteThatComesBackGetsEverythingInOrder(t *testing.T) {
	to := &remote{answer: away}
	s, heard := startAt(t, t.TempDir(), to)
	writeAll(t, s, 0, 100)
	kerneltest.Within(t, patience, "the remote to be away", func() bool { return len(heard.heard()) > 0 })
	to.set(all)
	arrived(t, to, numbers(0, 100))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	told := heard.heard()
	if len(told) != 2 || told[0].Err == nil || !told[1].Recovered {
		t.Errorf("told %v: once that it is away, once that it is back", told)
	}
}

func TestNextRunDeliversWhatThisOneCouldNot(t *testing.T) {
	dir := t.TempDir()
	to := &remote{answer: away}
	s, _ := startAt(t, dir, to)
	writeAll(t, s, 0, 10)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	to.set(all)
	s, _ = startAt(t, dir, to)
	arrived(t, to, numbers(0, 10))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s, _ = startAt(t, dir, to)
	writeAll(t, s, 10, 11)
	arrived(t, to, numbers(0, 11))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestRefusedRecordIsToldAndTheOthersGoOn(t *testing.T) {
	to := &remote{answer: func(entries []sink.Entry) (int, error) {
		for i, e := range entries {
			if e.ID == "3" {
				return i, &sink.Refusal{Err: errors.New("400 Bad Request")}
			}
		}
		return len(entries), nil
	}}
	s, heard := startAt(t, t.TempDir(), to)
	writeAll(t, s, 0, 6)
	arrived(t, to, []string{"0", "1", "2", "4", "5"})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if told := heard.heard(); len(told) != 1 || told[0].Dropped != 1 {
		t.Errorf("told %v", told)
	}
	if got := s.Stats(); got.Lost != 1 || got.Sent != 5 {
		t.Errorf("stats %+v", got)
	}
}

func TestRemoteIsAskedAgainWhenItSaid(t *testing.T) {
	var asked []time.Time
	const after = 1500 * time.Millisecond
	to := &remote{answer: func(entries []sink.Entry) (int, error) {
		asked = append(asked, time.Now())
		if len(asked) == 1 {
			return 0, &sink.Later{After: after, Err: errors.New("429 Too Many Requests")}
		}
		return len(entries), nil
	}}
	s, _ := startAt(t, t.TempDir(), to)
	writeAll(t, s, 0, 1)
	arrived(t, to, numbers(0, 1))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if waited := asked[1].Sub(asked[0]); waited < after {
		t.Errorf("asked again after %s", waited)
	}
}

// A remote that hangs costs its own spool only: Close does not wait for it.
func TestHangingRemoteDoesNotHoldUpTheEnd(t *testing.T) {
	dir := t.TempDir()
	s := New(hanging{}, ecs.Encoder{}, Options{Dir: dir, Limit: MinLimit})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	writeAll(t, s, 0, 3)
	begun := time.Now()
	if err := s.Close(); err != nil || time.Since(begun) > patience {
		t.Errorf("closed after %s: %v", time.Since(begun), err)
	}
	to := &remote{answer: all}
	s, _ = startAt(t, dir, to)
	arrived(t, to, numbers(0, 3))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// hanging never answers until it is told to stop.
type hanging struct{}

func (hanging) Name() string { return "hanging" }

func (hanging) Close() error { return nil }

func (hanging) Send(ctx context.Context, _ []sink.Entry) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// Where the disk has no room at all, what must not be lost goes to the remote without
// it.
func TestFullDiskIsNoReasonToLoseWhatTheRemoteWouldTake(t *testing.T) {
	kerneltest.RequireRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
	to := &remote{answer: away}
	s, _ := startAt(t, filepath.Join(dir, "spool"), to)
	ended := make(chan error, 1)
	go func() {
		var err error
		for i := range 400 {
			err = errors.Join(err, s.Write(record(i)))
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("128 KiB held 400 records: %v", err)
	case <-time.After(2 * again):
	}
	to.set(all)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	arrived(t, to, numbers(0, 400))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
