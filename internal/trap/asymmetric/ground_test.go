// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/trap/traptest"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// placed is a drop for which the kernel gave no reason.
func placed(d *event.Drop) *event.Drop {
	d.Ground, d.Symbol = event.GroundPlace, "ip_rcv_finish_core.constprop.0"
	return d
}

func TestPlaceConfirmsWithItsLookupAndSaysThatItIsWeaker(t *testing.T) {
	confidence := map[event.Ground]int{}
	for _, d := range []*event.Drop{drop(second, 1), placed(drop(second, 1))} {
		desk := traptest.New(New())
		desk.Feed(d, routing(second+1, 1, 0))
		seen, ok := desk.Last(RPFilterStrict)
		if !ok || seen.Status != finding.Confirmed {
			t.Fatalf("ground %d: saw %+v", d.Ground, seen)
		}
		f := desk.Describe(seen.Key)
		confidence[d.Ground] = f.Confidence
		if told := strings.Contains(strings.Join(f.Evidence, "\n"), "weaker ground"); told != (d.Ground == event.GroundPlace) {
			t.Errorf("ground %d: evidence %q", d.Ground, f.Evidence)
		}
	}
	if confidence[event.GroundPlace] >= confidence[event.GroundReason] {
		t.Errorf("confidence %v", confidence)
	}
}

func TestPlaceIsNotBelievedWhereTheFilterLetsPass(t *testing.T) {
	for _, mode := range []int{0, modeLoose} {
		desk := traptest.New(New())
		desk.Feed(placed(drop(second, 1)), routing(second+1, 0, mode), tick(3*second))
		if len(desk.Sightings) > 0 {
			t.Errorf("rp_filter %d: saw %+v", mode, desk.Sightings)
		}
	}
}

func TestOwnSourceByPlaceMustBeAnOwnAddress(t *testing.T) {
	for source, want := range map[string]bool{"10.10.1.2": true, "10.10.1.9": false} {
		d := placed(drop(second, 5))
		d.Reason, d.Reverse = "IP_LOCAL_SOURCE", event.Lookup{}
		d.Packet.Source = netip.AddrPortFrom(addr(source), 80)
		desk := traptest.New(New())
		desk.Feed(d, routing(second+1, 0, 0), tick(3*second))
		if _, saw := desk.Last(MartianSource); saw != want {
			t.Errorf("%s: saw %v", source, desk.Sightings)
		}
	}
}

// What a rule dropped is borne out by the rule: rp_filter has no part in it.
func TestPlaceIsBelievedOfAFirewallWithARuleForTheWayBack(t *testing.T) {
	confidence := map[event.Ground]int{}
	for _, d := range []*event.Drop{drop(second, 1), placed(drop(second, 1))} {
		d.Reason = byFirewall
		guard := &event.Firewall{
			Header: event.Header{Time: second + 1, Netns: ns},
			Guards: []event.Guard{{Family: "inet", Table: "wall", Chain: "strayed", Hook: "prerouting", ReversePath: true}},
		}
		desk := traptest.New(New())
		desk.Feed(d, routing(second+1, 0, 0), guard, back(second+1, "eth0"), tick(3*second))
		seen, ok := desk.Last(RPFilterStrict)
		if !ok {
			t.Fatalf("ground %d: saw nothing", d.Ground)
		}
		confidence[d.Ground] = desk.Describe(seen.Key).Confidence
	}
	if confidence[event.GroundPlace] >= confidence[event.GroundReason] {
		t.Errorf("confidence %v", confidence)
	}
}
