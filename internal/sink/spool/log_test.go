// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package spool

import "testing"

// A segment that remembers how far it was read gives what one that was just opened
// gives, asked in any order.
func TestSegmentThatRemembersGivesWhatAFreshOneGives(t *testing.T) {
	l := filled(t, 20)
	for _, after := range []uint64{0, 5, 5, 13, 20, 3, 19, 0} {
		fresh := *l.segments[0]
		fresh.passed = place{}
		want, err := fresh.read(after, 4)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.segments[0].read(after, 4)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) || len(got) > 0 && got[0].order != want[0].order {
			t.Errorf("after %d: %d entries, want %d", after, len(got), len(want))
		}
	}
	if got := l.segments[0].passed; got.order != 0 || got.at != 0 {
		t.Errorf("after an entry that is asked for again, the place is %+v", got)
	}
}

// BenchmarkDrain reads a full segment in batches, as the courier does.
func BenchmarkDrain(b *testing.B) {
	const entries, batch = 5000, 64
	for b.Loop() {
		b.StopTimer()
		l := filled(b, entries)
		b.StartTimer()
		for after := uint64(0); after < entries; {
			found, err := l.read(after, batch)
			if err != nil || len(found) == 0 {
				b.Fatal(len(found), err)
			}
			after = found[len(found)-1].order
		}
	}
}

func filled(tb testing.TB, entries int) *log {
	tb.Helper()
	l, err := openLog(tb.TempDir(), "keep", 1<<30)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(l.closeFile)
	for order := range uint64(entries) {
		frame, err := appendFrame(nil, stored{order: order + 1, entry: opened(int(order))})
		if err != nil {
			tb.Fatal(err)
		}
		if err := l.write(frame, order+1); err != nil {
			tb.Fatal(err)
		}
	}
	return l
}
