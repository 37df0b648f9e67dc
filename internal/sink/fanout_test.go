// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// fake is a sink that writes only while its gate lets it.
type fake struct {
	name string
	// gate gives one token for each write; nil lets all pass.
	gate chan struct{}
	// begun hears of every write that begins.
	begun chan struct{}
	fail  func(r *finding.Record) error

	mu     sync.Mutex
	wrote  []uint64
	closed int
}

func newFake(name string) *fake { return &fake{name: name, begun: make(chan struct{}, 10000)} }

func (f *fake) held() *fake {
	f.gate = make(chan struct{})
	return f
}

func (f *fake) Name() string { return f.name }

func (f *fake) Write(r *finding.Record) error {
	f.begun <- struct{}{}
	if f.gate != nil {
		<-f.gate
	}
	if f.fail != nil {
		if err := f.fail(r); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrote = append(f.wrote, r.Sequence)
	return nil
}

func (f *fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	return nil
}

func (f *fake) sequences() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.wrote)
}

func (f *fake) waitBegun(t *testing.T) {
	t.Helper()
	select {
	case <-f.begun:
	case <-time.After(patience):
		t.Fatalf("sink %s was not written to", f.name)
	}
}

// reports collects what a fan-out says.
type reports struct {
	mu  sync.Mutex
	all []sink.Report
}

func (r *reports) hear(report sink.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, report)
}

// lost gives the sequence numbers that a sink never got.
func (r *reports) lost(name string) []uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lost []uint64
	for i, report := range r.all {
		if report.Sink != name || report.Lost == nil {
			continue
		}
		lost = append(lost, report.Lost.Sequence)
		if report.Err == nil || report.Dropped == 0 {
			panic(fmt.Sprintf("report %d says neither why nor how many: %+v", i, report))
		}
	}
	return lost
}

func record(sequence uint64, action finding.Action) *finding.Record {
	r := &finding.Record{Sequence: sequence, Action: action, Alert: action == finding.Opened}
	r.Finding.ID, r.Severity = "one", finding.High
	return r
}

func closeFanout(t *testing.T, f *sink.Fanout) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestEveryRecordReachesEverySinkInOrder(t *testing.T) {
	var said reports
	a, b := newFake("a"), newFake("b")
	f := sink.NewFanout(said.hear, sink.Route{Sink: a, Queue: 1000}, sink.Route{Sink: b, Queue: 1000})
	var want []uint64
	for i := range uint64(500) {
		f.Write(record(i, finding.Updated))
		want = append(want, i)
	}
	closeFanout(t, f)
	for _, s := range []*fake{a, b} {
		if !slices.Equal(s.sequences(), want) || s.closed != 1 {
			t.Errorf("%s got %v and was closed %d times", s.name, s.sequences(), s.closed)
		}
	}
	if len(said.all) != 0 {
		t.Errorf("reports: %+v", said.all)
	}
}

func TestSinkThatHangsHoldsUpNobody(t *testing.T) {
	var said reports
	dead, live := newFake("dead").held(), newFake("live")
	f := sink.NewFanout(said.hear, sink.Route{Sink: dead, Queue: 4}, sink.Route{Sink: live, Queue: 4})
	for i := range uint64(200) {
		f.Write(record(i, finding.Updated))
		live.waitBegun(t)
	}
	dead.waitBegun(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Close(ctx); !errors.Is(err, sink.ErrDeadline) {
		t.Errorf("Close gives %v", err)
	}
	if n := len(live.sequences()); n != 200 {
		t.Errorf("the live sink got %d of 200", n)
	}
	// One is in the hanging write; all others are told as lost.
	if n := len(said.lost("dead")); n != 199 {
		t.Errorf("%d of 199 losses were told", n)
	}
	close(dead.gate)
}

func TestFullQueueLosesItsOldestUpdatesAndNothingElse(t *testing.T) {
	var said reports
	slow := newFake("slow").held()
	f := sink.NewFanout(said.hear, sink.Route{Sink: slow, Queue: 4})
	f.Write(record(1, finding.Opened))
	slow.waitBegun(t)
	raised := record(4, finding.Updated)
	raised.Alert = true
	for _, r := range []*finding.Record{
		record(2, finding.Updated), record(3, finding.Updated), raised, record(5, finding.Updated),
		record(6, finding.Opened), record(7, finding.Closed), record(8, finding.Updated), record(9, finding.Closed),
	} {
		f.Write(r)
	}
	if lost, want := said.lost("slow"), []uint64{2, 3, 5, 8}; !slices.Equal(lost, want) {
		t.Errorf("lost %v, want %v", lost, want)
	}
	close(slow.gate)
	closeFanout(t, f)
	if got, want := slow.sequences(), []uint64{1, 4, 6, 7, 9}; !slices.Equal(got, want) {
		t.Errorf("wrote %v, want %v", got, want)
	}
}

func TestReserveHoldsWhatMustNotBeLostAndThenEnds(t *testing.T) {
	var said reports
	slow := newFake("slow").held()
	f := sink.NewFanout(said.hear, sink.Route{Sink: slow, Queue: 2})
	f.Write(record(0, finding.Opened))
	slow.waitBegun(t)
	for i := range uint64(2*sink.Reserve + 3) {
		f.Write(record(i+1, finding.Closed))
	}
	const room = 2 * sink.Reserve
	if lost, want := said.lost("slow"), []uint64{room + 1, room + 2, room + 3}; !slices.Equal(lost, want) {
		t.Errorf("lost %v, want %v", lost, want)
	}
	close(slow.gate)
	closeFanout(t, f)
}

func TestIdleIsWhoHasWrittenAll(t *testing.T) {
	slow := newFake("slow").held()
	f := sink.NewFanout((&reports{}).hear, sink.Route{Sink: slow}, sink.Route{Sink: newFake("quick")})
	if !f.Idle() {
		t.Error("nothing was written, and something waits")
	}
	f.Write(record(0, finding.Opened))
	slow.waitBegun(t)
	if f.Idle() {
		t.Error("one sink is writing, and nothing waits")
	}
	f.Replace() // it goes on writing
	if f.Idle() {
		t.Error("a sink that leaves is writing, and nothing waits")
	}
	close(slow.gate)
	kerneltest.Within(t, time.Minute, "the sinks to have written", f.Idle)
	closeFanout(t, f)
}

func TestSinkThatRecoversIsWrittenToAgain(t *testing.T) {
	var said reports
	flaky := newFake("flaky")
	flaky.fail = func(r *finding.Record) error {
		if r.Sequence == 1 {
			return errors.New("connection refused")
		}
		return nil
	}
	f := sink.NewFanout(said.hear, sink.Route{Sink: flaky})
	for i := range uint64(3) {
		f.Write(record(i, finding.Updated))
	}
	closeFanout(t, f)
	if got := flaky.sequences(); !slices.Equal(got, []uint64{0, 2}) || !slices.Equal(said.lost("flaky"), []uint64{1}) {
		t.Errorf("wrote %v, lost %v", got, said.lost("flaky"))
	}
}

func TestBrokenPipeIsToldAndNotWrittenToAgain(t *testing.T) {
	var said reports
	gone := newFake("stdout")
	writes := 0
	gone.fail = func(*finding.Record) error {
		writes++
		return fmt.Errorf("write: %w", syscall.EPIPE)
	}
	f := sink.NewFanout(said.hear, sink.Route{Sink: gone})
	for i := range uint64(3) {
		f.Write(record(i, finding.Opened))
	}
	closeFanout(t, f)
	if writes != 1 || !slices.Equal(said.lost("stdout"), []uint64{0, 1, 2}) {
		t.Errorf("%d writes, lost %v", writes, said.lost("stdout"))
	}
	if first := said.all[0]; !sink.Broken(first.Err) || first.Dropped != 1 {
		t.Errorf("first report: %+v", first)
	}
}

func TestCloseDrainsWhatWaits(t *testing.T) {
	var said reports
	slow := newFake("slow").held()
	f := sink.NewFanout(said.hear, sink.Route{Sink: slow, Queue: 100})
	for i := range uint64(50) {
		f.Write(record(i, finding.Updated))
	}
	close(slow.gate)
	closeFanout(t, f)
	if n := len(slow.sequences()); n != 50 || slow.closed != 1 {
		t.Errorf("%d of 50 written, closed %d times", n, slow.closed)
	}
}

func TestMinSeverityFiltersFindingsAndNotRecords(t *testing.T) {
	var said reports
	loud := newFake("loud")
	f := sink.NewFanout(said.hear, sink.Route{Sink: loud, MinSeverity: finding.High})
	tell := func(sequence uint64, id string, action finding.Action, severity finding.Severity) {
		r := record(sequence, action)
		r.Finding.ID, r.Severity = id, severity
		f.Write(r)
	}
	tell(1, "low", finding.Opened, finding.Low)
	tell(2, "low", finding.Closed, finding.Medium)
	tell(3, "rises", finding.Opened, finding.Low)
	tell(4, "rises", finding.Updated, finding.High)
	tell(5, "rises", finding.Updated, finding.Low)
	tell(6, "rises", finding.Closed, finding.Low)
	tell(7, "rises", finding.Opened, finding.Low)
	closeFanout(t, f)
	if got, want := loud.sequences(), []uint64{4, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("wrote %v, want %v", got, want)
	}
}

func TestErrorOfASinksCloseIsGivenWithItsName(t *testing.T) {
	f := sink.NewFanout(new(reports).hear, sink.Route{Sink: stubborn{newFake("file")}})
	err := f.Close(context.Background())
	if !errors.Is(err, errStubborn) || err.Error() != "close sink file: disk full" {
		t.Errorf("got %v", err)
	}
}

var errStubborn = errors.New("disk full")

type stubborn struct{ *fake }

func (stubborn) Close() error { return errStubborn }

func BenchmarkWrite(b *testing.B) {
	f := sink.NewFanout(func(sink.Report) {}, sink.Route{Sink: discard{}})
	r := record(1, finding.Updated)
	b.ReportAllocs()
	for b.Loop() {
		f.Write(r)
	}
	_ = f.Close(context.Background())
}

type discard struct{}

func (discard) Name() string                { return "discard" }
func (discard) Write(*finding.Record) error { return nil }
func (discard) Close() error                { return nil }
