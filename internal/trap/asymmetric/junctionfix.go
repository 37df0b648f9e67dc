// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// reserveMetric is how far behind a route is ranked that is kept as a reserve.
const reserveMetric = 100

// fix takes the failing way out of the choice, and then tells how to have it back as a
// reserve.
func (j *junction) fix(way *event.Way, b bend, facts *flow.Facts, f *finding.Finding) {
	place := trap.Where(facts, j.netns)
	program := "ip"
	if way.IPv6 {
		program = "ip -6"
	}
	leave, back := j.leave(way)
	reserve := finding.RouteOp{Verb: "add", Gateway: way.Gateway, Dev: way.Iface, Table: way.Table, Metric: way.Metric + reserveMetric, IPv6: way.IPv6}
	f.Fix = append(f.Fix,
		place.Do(leave, "takes the route by "+way.Gateway.String()+" out of the choice", "what has no other reserve is without one until the next line is run"),
		place.Do(reserve, "gives it back as a reserve, ranked behind", "the kernel takes it only once the other route is gone"),
		trap.Note("the cure is at %s: it takes packets and does not deliver them, or is not there at all", way.Gateway),
		trap.Note("where both ways are to be used, what sets the routes must watch that they work: a routing protocol with BFD, keepalived, mwan; a gateway that is gone from its link is passed over with net.ipv4.fib_multipath_use_neigh=1, in a route with several hops"))
	gone := reserve
	gone.Verb = "del"
	f.Undo = append(f.Undo, place.Do(back, "as it was", ""), place.Do(gone, "takes the reserve away", ""))
	f.Persistent = append(f.Persistent, trap.Note("give each default route a metric of its own where it is kept: netplan `metric:`, systemd-networkd `RouteMetric=`, `nmcli connection modify NAME ipv4.route-metric N`, ifupdown `metric N`"))
	to := b.example.destination.Addr()
	if b.same.IsValid() {
		to = b.same.Addr()
	}
	f.Verify = append(f.Verify,
		place.Look("each default must have a metric of its own", program+" route show default"),
		place.Look("must not name "+way.Gateway.String(), program+" route get %s", to))
}

// leave gives the operation that takes a way out of the choice, and the one that brings it
// back as it was.
func (j *junction) leave(way *event.Way) (leave, back finding.Op) {
	op := finding.RouteOp{Verb: "del", Gateway: way.Gateway, Dev: way.Iface, Table: way.Table, Metric: way.Metric, IPv6: way.IPv6}
	if way.Shared && !way.IPv6 {
		return j.leaveShared(way)
	}
	again := op
	again.Verb = "append" // of two equal routes an add lets only the first in
	if !way.IPv6 && j.rank(way)[0] == way {
		again.Verb = "prepend"
	}
	return op, again
}

// leaveShared replaces an IPv4 route by one that lacks a hop: to delete the one hop would
// delete the route whole (fib_nh_match).
func (j *junction) leaveShared(way *event.Way) (leave, back finding.Op) {
	step, err := finding.ParseStep("ip route replace " + way.Text)
	whole, known := step.Op.(finding.RouteOp)
	at := slices.IndexFunc(whole.Hops, func(h finding.Hop) bool { return h.Gateway == way.Gateway && h.Dev == way.Iface })
	if err != nil || !known || at < 0 { // it has what no operation says: it is for a person
		return finding.Command{Line: "ip route replace default" + j.others(way)}, finding.Command{Line: "ip route replace " + way.Text}
	}
	whole.Table = way.Table
	less := whole
	less.Hops = slices.Delete(slices.Clone(whole.Hops), at, at+1)
	if len(less.Hops) == 1 {
		less.Gateway, less.Dev, less.OnLink = less.Hops[0].Gateway, less.Hops[0].Dev, less.Hops[0].OnLink
		less.Hops = nil
	}
	return less, whole
}

// others gives a way's route without it, as a person writes it.
func (j *junction) others(way *event.Way) string {
	var words strings.Builder
	fmt.Fprintf(&words, " table %d", way.Table)
	if way.Metric != 0 {
		fmt.Fprintf(&words, " metric %d", way.Metric)
	}
	for _, other := range j.rank(way) {
		if other.Text == way.Text && keyOf(other) != keyOf(way) {
			fmt.Fprintf(&words, " nexthop via %s dev %s", other.Gateway, finding.Quote(other.Iface))
		}
	}
	return words.String()
}
