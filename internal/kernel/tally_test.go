// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"net/netip"
	"testing"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

func TestTallyKeepsTheLargestRowsInAFixedOrder(t *testing.T) {
	source := netip.MustParseAddr("10.0.0.1").As16()
	sums := wire.Walk{TimeWait: 500, Live: 40, AllTimeWait: 600, Untold: 3}
	use := func(order func(i int) int) *event.PortUse {
		tally := newTally()
		for i := range 100 {
			n := order(i)
			key := wire.WalkKey{Source: source, Destination: netip.AddrFrom4([4]byte{10, 1, 0, byte(n)}).As16(), Port: 80}
			tally.add(&key, &wire.WalkRow{TimeWait: uint32(n / 2), Live: 1})
		}
		return tally.use(&sums)
	}
	forward, backward := use(func(i int) int { return i }), use(func(i int) int { return 99 - i })
	if len(forward.Rows) != event.PortUseRows {
		t.Fatalf("%d rows, want %d", len(forward.Rows), event.PortUseRows)
	}
	for i, row := range forward.Rows {
		if row != backward.Rows[i] {
			t.Errorf("row %d depends on the order of the map: %+v or %+v", i, row, backward.Rows[i])
		}
	}
	if first := forward.Rows[0]; first.TimeWait != 49 || first.Destination.String() != "10.1.0.98:80" {
		t.Errorf("first row %+v", first)
	}
	want := event.PortUseSource{Source: netip.MustParseAddr("10.0.0.1"), TimeWait: 2450, Live: 100}
	if len(forward.Sources) != 1 || forward.Sources[0] != want {
		t.Errorf("sources %+v, want %+v", forward.Sources, want)
	}
	if forward.TimeWait != 500 || forward.Live != 40 || forward.AllTimeWait != 600 || forward.Untold != 3 {
		t.Errorf("sums %+v", forward)
	}
}
