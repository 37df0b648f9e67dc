// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// verdict is what the dropped connections and the firewall's table together say.
type verdict struct {
	status finding.Status // "" where there is nothing to say
	pair   pair
	// the connection to show, and how many there are like it
	talk  *talk
	alike int
	// row is the firewall's entry, nil where it has none.
	row *event.Tracked
}

const (
	// lowestCaller is where ports that callers get begin: what answers to a lower one
	// was never asked for by an honest client.
	lowestCaller = 1024
	// aliveTimes and aliveFor are how long one connection must be tried for if there
	// is but one: three tries of the same segment, the last after two seconds or more.
	aliveTimes = 3
	aliveFor   = 2 * time.Second
)

// weigh finds the pair that says most.
//
// A TCP connection is opened by three packets. A firewall that sees the first and not
// the second has an entry that nobody answered (SYN_SENT, no reply), and yet the
// client goes on: it must have had its answer by another way. That is proof. One that
// sees the second and not the first has no entry at all, and the server repeats its
// SYN-ACK: what floods and scans send is not repeated by TCP's clock, or not to two
// ports of one host. What goes on in the middle without any entry may as well be a
// connection that the firewall forgot: that is suspected at most, and nothing is said
// of it where other connections of the two hosts are known in both directions.
func (h *half) weigh() verdict {
	var best verdict
	for at, known := range h.pairs.Entries {
		if known == nil || !h.stateful(known) {
			continue
		}
		v := h.weighPair(at, known)
		if better(v, best) {
			best = v
		}
	}
	return best
}

func better(a, b verdict) bool {
	rank := map[finding.Status]int{finding.Suspected: 1, finding.Confirmed: 2}
	return rank[a.status] > rank[b.status]
}

func (h *half) weighPair(at pair, known *event.Firewall) verdict {
	var openings, middles []*talk
	for t := range h.talks.All {
		if t.key.source.Addr() != at.source || t.key.destination.Addr() != at.destination {
			continue
		}
		row, forward := entryOf(known, t)
		switch {
		case row != nil && !row.Replied && forward && !t.answers:
			return verdict{status: finding.Confirmed, pair: at, talk: t, alike: 1, row: row}
		case row != nil: // known in both directions: out of window, or late
		case t.answers && t.plausible():
			openings = append(openings, t)
		case !t.answers && known.Time > t.since && t.persists():
			middles = append(middles, t)
		}
	}
	if tracksBoth(known) {
		return verdict{}
	}
	if v := weighOpenings(at, known, openings); v.status != "" {
		return v
	}
	if len(middles) < 2 || known.Unread {
		return verdict{}
	}
	return verdict{status: finding.Suspected, pair: at, talk: middles[0], alike: len(middles)}
}

func weighOpenings(at pair, known *event.Firewall, openings []*talk) verdict {
	if len(openings) == 0 {
		return verdict{}
	}
	v := verdict{pair: at, talk: openings[0], alike: len(openings)}
	alive := false
	for _, t := range openings {
		alive = alive || t.times >= aliveTimes && t.last.Sub(t.since) >= aliveFor
	}
	switch {
	case len(openings) == 1 && !local(at.source):
		// An attack elsewhere that borrows one of our addresses makes its victim answer
		// to us, and repeat itself as any server does.
		return verdict{}
	case known.Unread:
		v.status = finding.Suspected
	case len(openings) > 1 || alive:
		v.status = finding.Confirmed
	default:
		v.status = finding.Suspected
	}
	return v
}

// plausible tells whether a server repeats itself so: to a port that callers use, and
// about once a second, doubled where the client's own repeated SYN brings one more.
func (t *talk) plausible() bool {
	seconds := uint32(t.last.Sub(t.since) / time.Second)
	return t.key.destination.Port() >= lowestCaller && t.last.Sub(t.since) >= leastRepeat && t.times <= 3+2*seconds
}

// persists tells whether data is repeated as TCP does: with pauses that double.
func (t *talk) persists() bool {
	seconds := uint32(t.last.Sub(t.since) / time.Second)
	return seconds >= 2 && t.times <= 4+seconds
}

// leastRepeat is the shortest pause after which TCP repeats a SYN-ACK: its first
// time-out is a second (RFC 6298, section 2.1), less what a timer may be early.
const leastRepeat = 800 * time.Millisecond

// entryOf finds the entry that a connection has, and whether the packet goes the way
// of the one that opened it.
func entryOf(known *event.Firewall, t *talk) (row *event.Tracked, forward bool) {
	for i := range known.Tracked {
		row := &known.Tracked[i]
		switch {
		case row.Source == t.key.source && row.Destination == t.key.destination:
			return row, true
		case row.Source == t.key.destination && row.Destination == t.key.source:
			return row, false
		}
	}
	return nil, false
}

func tracksBoth(known *event.Firewall) bool {
	for i := range known.Tracked {
		if known.Tracked[i].Replied {
			return true
		}
	}
	return false
}

// stateful tells whether the drops can be a firewall's that asks for the state: it
// has called packets invalid, and one of its chains that the packets had reached
// drops for that. Packets that were not routed yet had reached no other chain than
// those before routing, or, sent by this host itself, those on the way out.
func (h *half) stateful(known *event.Firewall) bool {
	if known.Invalid == 0 && !known.Unread {
		return false
	}
	if len(known.Guards) == 0 && known.Blind != "" {
		return true
	}
	_, ok := h.guard(known)
	return ok
}

// guard is the chain that drops: one with a rule for it before one by its policy.
func (h *half) guard(known *event.Firewall) (event.Guard, bool) {
	var found event.Guard
	ok := false
	six := h.first.Packet.Source.Addr().Is6()
	for _, g := range known.Guards {
		drops := g.Invalid || g.Policy && g.Stateful
		if !drops || !g.Sees(six, h.hooks()...) {
			continue
		}
		if !ok || g.Invalid && !found.Invalid {
			found, ok = g, true
		}
	}
	return found, ok
}

// hooks are those that a packet may have been dropped at.
func (h *half) hooks() []string {
	switch {
	case h.first.OutIface == "lo":
		return []string{"input"}
	case h.first.OutIfindex != 0 && h.first.Iface != "":
		return []string{"forward", "input", "postrouting"}
	case h.first.OutIfindex != 0:
		return []string{"output", "postrouting"}
	default:
		return []string{"prerouting", "output"}
	}
}

// local tells whether an address is one of a site's own, or of a test bed's, rather
// than one of the Internet's (RFC 1918, 6598, 5737, 2544, 3849, 4193).
func local(a netip.Addr) bool {
	if a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsLoopback() {
		return true
	}
	for _, prefix := range []string{"100.64.0.0/10", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"} {
		if netip.MustParsePrefix(prefix).Contains(a) {
			return true
		}
	}
	return false
}
