// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sink_test

import (
	"context"
	"slices"
	"testing"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func ignore(sink.Report) {}

func TestReplaceLeavesWhatHasNotChanged(t *testing.T) {
	kept, gone, come := newFake("kept"), newFake("gone"), newFake("come")
	f := sink.NewFanout(ignore, sink.Route{Sink: kept, Mark: "1"}, sink.Route{Sink: gone, Mark: "1"})
	f.Write(&finding.Record{Sequence: 1, Action: finding.Opened})
	again := newFake("kept")
	f.Replace(sink.Route{Sink: again, Mark: "1"}, sink.Route{Sink: come, Mark: "1"})
	f.Write(&finding.Record{Sequence: 2, Action: finding.Opened})
	if err := f.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		of     *fake
		wrote  []uint64
		closed int
	}{{kept, []uint64{1, 2}, 1}, {gone, []uint64{1}, 1}, {come, []uint64{2}, 1}, {again, nil, 0}} {
		if !slices.Equal(c.of.sequences(), c.wrote) || c.of.closed != c.closed {
			t.Errorf("%s wrote %v, closed %d times", c.of.name, c.of.sequences(), c.of.closed)
		}
	}
}

// Two sinks of one name may hold the same file: the new one begins when the old one
// has written what waited and is closed.
func TestChangedSinkBeginsAfterTheOldOneEnded(t *testing.T) {
	old, changed := newFake("s").held(), newFake("s")
	f := sink.NewFanout(ignore, sink.Route{Sink: old, Mark: "1"})
	f.Write(&finding.Record{Sequence: 1, Action: finding.Opened})
	f.Write(&finding.Record{Sequence: 2, Action: finding.Opened})
	old.waitBegun(t)
	f.Replace(sink.Route{Sink: changed, Mark: "2"})
	f.Write(&finding.Record{Sequence: 3, Action: finding.Opened})
	if got := changed.sequences(); len(got) > 0 {
		t.Fatalf("wrote %v beside the old one", got)
	}
	changed.fail = func(*finding.Record) error {
		if old.closed == 0 {
			t.Error("wrote before the old one was closed")
		}
		return nil
	}
	close(old.gate)
	if err := f.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := slices.Concat(old.sequences(), changed.sequences()); !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("wrote %v", got)
	}
}
