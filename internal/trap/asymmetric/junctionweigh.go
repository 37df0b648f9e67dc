// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// How much it takes.
const (
	// sureFailures of one peer by one way, and none by the other, which it answers by:
	// a server that is overloaded loses SYNs whichever way they come.
	sureFailures = 3
	// absentLooks is how often the gateway must have been gone.
	absentLooks = 2
	// failedAddrs are peers' addresses, none of which answers by a way. The kernel takes
	// one of two equal routes as long as its gateway answers on the link, so that there
	// may be nothing to compare with.
	failedAddrs = 3
)

// bend is what is concluded of one way.
type bend struct {
	status      finding.Status // "" where there is nothing to say
	since, last event.Time
	failures    []*failure
	// example is one failing handshake; peers and addrs how many it is that fail.
	example      talkKey
	peers, addrs int
	// same is a peer that answers by the other way, other that way.
	same  netip.AddrPort
	other wayKey
	// absent tells that the gateway itself is not there.
	absent bool
	// heard counts the peers that answer by the other ways.
	heard int
}

// weigh judges one way against its rivals.
//
// A SYN that nobody answers says nothing of the way: its peer may be dead. What does is
// the comparison: the same peer answers by the rival and never by this way; or the
// gateway does not even answer on its own link, while the rival does; or, weaker, none of
// several peers answers by this way, and nothing fails by the other.
func (j *junction) weigh(way wayKey) bend {
	b := j.failed(way)
	if b.peers == 0 {
		return b
	}
	var elsewhere int
	b.heard, elsewhere, b.other = j.rivalsHeard(way, b.since)
	switch same, ok := j.samePeer(way, b.since); {
	case ok:
		b.same, b.status = same, finding.Confirmed
	case j.heardBy(way, b.since) > 0:
	case b.absent && j.present(way, b.heard):
		b.status = finding.Confirmed
	case b.addrs >= failedAddrs && elsewhere == 0:
		b.status = finding.Suspected
	}
	return b
}

// failed gathers what failed by a way.
func (j *junction) failed(way wayKey) bend {
	var b bend
	peers, addrs, absent := map[netip.AddrPort]bool{}, map[netip.Addr]bool{}, 0
	for key, f := range j.failures.Entries {
		if f.way != way {
			continue
		}
		if b.since == 0 || f.since < b.since {
			b.since = f.since
		}
		b.last = max(b.last, f.last)
		b.failures, b.example = append(b.failures, f), key
		peers[key.destination], addrs[key.destination.Addr()] = true, true
		absent += f.absent
	}
	b.peers, b.addrs, b.absent = len(peers), len(addrs), absent >= absentLooks
	return b
}

// rivalsHeard counts the peers that answered by another way since a moment, and the
// handshakes that failed there; other is the way that did best.
func (j *junction) rivalsHeard(way wayKey, since event.Time) (heard, failed int, other wayKey) {
	count := map[wayKey]int{}
	for key, h := range j.heard.Entries {
		if j.rival(way, key.way) && h.last > since {
			heard++
			count[key.way]++
			if count[key.way] > count[other] {
				other = key.way
			}
		}
	}
	for f := range j.failures.All {
		if j.rival(way, f.way) {
			failed++
		}
	}
	return heard, failed, other
}

// rival tells whether two ways have the same rank.
func (j *junction) rival(a, b wayKey) bool {
	one, two := j.way(a), j.way(b)
	return a != b && one != nil && two != nil && one.IPv6 == two.IPv6 && one.Table == two.Table && one.Metric == two.Metric
}

func (j *junction) heardBy(way wayKey, since event.Time) (peers int) {
	for key, h := range j.heard.Entries {
		if key.way == way && h.last > since {
			peers++
		}
	}
	return peers
}

// samePeer finds a peer that answers by a rival only.
func (j *junction) samePeer(way wayKey, since event.Time) (netip.AddrPort, bool) {
	failures, elsewhere := map[netip.AddrPort]int{}, map[netip.AddrPort]bool{}
	var order []netip.AddrPort
	for key, f := range j.failures.Entries {
		if f.way != way {
			elsewhere[key.destination] = true
			continue
		}
		if failures[key.destination]++; failures[key.destination] == sureFailures {
			order = append(order, key.destination)
		}
	}
	for _, peer := range order {
		own, _ := j.heard.Get(peerWay{peer, way})
		if !elsewhere[peer] && (own == nil || own.last < since) && j.answersElsewhere(way, peer, since) {
			return peer, true
		}
	}
	return netip.AddrPort{}, false
}

func (j *junction) answersElsewhere(way wayKey, peer netip.AddrPort, since event.Time) bool {
	for key, h := range j.heard.Entries {
		if key.peer == peer && j.rival(way, key.way) && h.last > since {
			return true
		}
	}
	return false
}

// present tells whether a rival's gateway is there: where none is, it is the link or the
// whole network that is down.
func (j *junction) present(way wayKey, heard int) bool {
	for i := range j.last.Ways {
		other := &j.last.Ways[i]
		if j.rival(way, keyOf(other)) && (heard > 0 || other.Neighbour != "" && !other.Absent()) {
			return true
		}
	}
	return false
}

// tick asks for the routes behind open findings, and sees whether they are mended.
func (j *junction) tick(now event.Time, desk trap.Desk) {
	for i := range j.last.Ways {
		way := keyOf(&j.last.Ways[i])
		key := j.key(way)
		if !desk.Open(key) {
			continue
		}
		if now.Sub(j.asked) >= recheckEvery {
			j.asked = now
			desk.Want(event.Want{Of: event.KindRouting, Netns: j.netns})
		}
		if reason, ok := j.ranked(way, desk); ok {
			desk.Mend(key, now, reason)
		}
	}
}

// ranked tells whether the way is no rival any more, and since when nothing failed by
// it.
func (j *junction) ranked(way wayKey, desk trap.Desk) (string, bool) {
	routing := desk.Facts().Namespace(j.netns).Routing
	was := j.way(way)
	last := j.failed(way).last
	if routing == nil || was == nil || routing.Time.Sub(max(last, j.last.Time)) < mendedAfter {
		return "", false
	}
	hops, there := 0, false
	for i := range routing.Defaults {
		r := &routing.Defaults[i]
		if r.IPv6 == was.IPv6 && r.Table == was.Table && r.Metric == was.Metric {
			hops += max(1, nexthops(r.Text))
			there = there || leadsBy(r, way)
		}
	}
	switch {
	case !there:
		return fmt.Sprintf("no default route of the same metric leads by %s any more, and nothing failed since", way.gateway), true
	case hops == 1:
		return fmt.Sprintf("the default route by %s has a metric of its own now, and nothing failed since", way.gateway), true
	default:
		return "", false
	}
}

// recovered finds an open finding of a way by which peers are heard again.
func (j *junction) recovered(desk trap.Desk) (string, trap.Key, bool) {
	for i := range j.last.Ways {
		way := keyOf(&j.last.Ways[i])
		if key := j.key(way); desk.Open(key) && j.last.Time.Sub(j.failed(way).last) >= recoveredAfter && j.heardBy(way, j.failed(way).last) > 0 {
			return fmt.Sprintf("handshakes by %s are answered again", way.gateway), key, true
		}
	}
	return "", trap.Key{}, false
}

// recoveredAfter is how long no handshake must wait: a SYN is sent again after one, two
// and four seconds.
const recoveredAfter = 3 * time.Second
