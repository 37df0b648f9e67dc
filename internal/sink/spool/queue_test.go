// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func opened(id int) sink.Entry {
	return sink.Entry{ID: fmt.Sprint(id), Action: finding.Opened, Alert: true, Line: []byte(strings.Repeat("x", 500))}
}

func update(id int) sink.Entry {
	e := opened(id)
	e.Action, e.Alert = finding.Updated, false
	return e
}

func open(t *testing.T, dir string, limit int64) *queue {
	t.Helper()
	q, err := openQueue(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.close)
	return q
}

func add(t *testing.T, q *queue, entries ...sink.Entry) {
	t.Helper()
	for _, e := range entries {
		if err := q.add(e); err != nil {
			t.Fatal(err)
		}
	}
}

// ids gives what waits, in the order of delivery.
func ids(t *testing.T, q *queue) []string {
	t.Helper()
	waiting, err := q.peek(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, w := range waiting {
		found = append(found, w.entry.ID)
	}
	return found
}

func TestQueueKeepsTheOrderOfBothLogs(t *testing.T) {
	q := open(t, t.TempDir(), 1<<20)
	add(t, q, opened(1), update(2), opened(3), update(4), update(5), opened(6))
	if got := ids(t, q); !slices.Equal(got, []string{"1", "2", "3", "4", "5", "6"}) {
		t.Errorf("got %v", got)
	}
	some, err := q.peek(2)
	if err != nil || len(some) != 2 {
		t.Fatal(some, err)
	}
	if err := q.ack(some[1].order); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, q); !slices.Equal(got, []string{"3", "4", "5", "6"}) {
		t.Errorf("after two were sent %v waits", got)
	}
}

func TestQueueOutlivesItsProcess(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, 1<<20)
	for i := range 200 {
		add(t, q, opened(i))
	}
	some, err := q.peek(150)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.ack(some[149].order); err != nil {
		t.Fatal(err)
	}
	q.close()
	q = open(t, dir, 1<<20)
	add(t, q, opened(200))
	got := ids(t, q)
	if len(got) != 51 || got[0] != "150" || got[50] != "200" {
		t.Errorf("%d wait: %v", len(got), got)
	}
}

// A kill may cut a frame at any byte; what was whole before it is still there, and
// writing goes on.
func TestCutFrameCostsNothingButItself(t *testing.T) {
	master := t.TempDir()
	q := open(t, master, 1<<20)
	add(t, q, opened(1), opened(2))
	q.close()
	paths, err := filepath.Glob(filepath.Join(master, "keep-*"))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	text, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	half := len(text) / 2
	for _, cut := range []int{half, half + 1, half + headLen, half + 20, len(text) - 1} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(paths[0])), text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		q := open(t, dir, 1<<20)
		add(t, q, opened(3))
		if got := ids(t, q); !slices.Equal(got, []string{"1", "3"}) {
			t.Errorf("cut at %d: %v", cut, got)
		}
	}
}

func TestGarbledSegmentDoesNotStopTheOthers(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, int64(MinLimit))
	for i := range 40 {
		add(t, q, opened(i))
	}
	if len(q.keep.segments) < 3 {
		t.Fatal("one segment only")
	}
	file, err := os.OpenFile(q.keep.segments[0].path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte("garbage"), headLen+3); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, q); len(got) == 0 || got[len(got)-1] != "39" || slices.Contains(got, "0") {
		t.Errorf("got %v", got)
	}
}

func TestFullQueueDropsTheOldestUpdatesAndNothingElse(t *testing.T) {
	q := open(t, t.TempDir(), int64(MinLimit))
	for i := range 100 {
		add(t, q, opened(i))
	}
	for i := range 1000 {
		add(t, q, update(1000+i))
	}
	for i := range 100 {
		add(t, q, opened(100+i))
	}
	got := ids(t, q)
	essential := slices.DeleteFunc(slices.Clone(got), func(id string) bool { return len(id) == 4 })
	size, dropped := q.stand()
	if len(essential) != 200 || size > int64(MinLimit) {
		t.Errorf("%d essential records in %d bytes", len(essential), size)
	}
	if kept := len(got) - 200; uint64(kept)+dropped != 1000 || kept == 0 || !slices.Contains(got, "1999") {
		t.Errorf("%d updates kept, %d dropped", kept, dropped)
	}
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = q.add(opened(3000 + i))
	}
	if !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
}

// A disk that others have filled is as good as a limit: updates go, the rest waits.
func TestFullDisk(t *testing.T) {
	kerneltest.RequireRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
	q := open(t, dir, 1<<20)
	var err error
	n := 0
	for i := range 100 {
		add(t, q, update(i))
	}
	for ; err == nil && n < 1000; n++ {
		err = q.add(opened(1000 + n))
	}
	if !errors.Is(err, unix.ENOSPC) || n < 200 {
		t.Fatalf("after %d: %v", n, err)
	}
	got := ids(t, q)
	if len(got) != n-1 || got[0] != "1000" {
		t.Errorf("%d wait of %d", len(got), n-1)
	}
	some, err := q.peek(100)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.ack(some[99].order); err != nil {
		t.Fatal(err)
	}
	add(t, q, opened(5000))
	q.close()
}

// An update that a full disk has no room for goes: there is none older that would make
// some, and it must not wait for itself.
func TestUpdateOnAFullDiskComesToAnEnd(t *testing.T) {
	kerneltest.RequireRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	q := open(t, dir, 1<<20)
	var err error
	for n := 0; err == nil && n < 1000; n++ {
		err = q.add(opened(n))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	before := len(ids(t, q))
	ended := make(chan error, 1)
	go func() { ended <- q.add(update(2000)) }()
	select {
	case err = <-ended:
	case <-time.After(patience):
		t.Fatal("it never ends")
	}
	if got := ids(t, q); !errors.Is(err, unix.ENOSPC) || len(got) != before || len(q.updates.segments) != 0 {
		t.Errorf("%v; %d wait of %d, in %d segments of updates", err, len(got), before, len(q.updates.segments))
	}
}

func TestFolderIsForOneProcess(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, 1<<20)
	if _, err := openQueue(dir, 1<<20); err == nil || !strings.Contains(err.Error(), "in use by another trapbpf") {
		t.Errorf("error %v", err)
	}
}

func FuzzFrames(f *testing.F) {
	frame, err := appendFrame(nil, stored{order: 1, entry: opened(1)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame)
	f.Add(append(slices.Clone(frame), frame[:20]...))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "keep-00000000000000000001"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		q := open(t, dir, 1<<20)
		before := len(ids(t, q))
		add(t, q, opened(2))
		if got := ids(t, q); len(got) != before+1 {
			t.Errorf("%d entries, then %d", before, len(got))
		}
	})
}
