// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package pmtud

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// group is one path about which errors came in, or should have. What was seen of the
// path is in the shared table.
type group struct {
	key      flow.PathKey
	last     event.Time
	began    event.Time
	asked    event.Time
	swept    event.Time
	killedAt event.Time
	killed   burst
	errors   uint64 // not yet told, as the next two
	kills    uint64
	resent   uint64
	first    *event.Path // the facts as they were first read
	stubborn stubborn
	told     trap.Key
}

const (
	// killWait is how long a dropped error waits for the drop of its packet: where that
	// follows, this host made the error itself.
	killWait = 150 * time.Millisecond
	// factsWait is how long a verdict waits for the host's answers.
	factsWait = 600 * time.Millisecond
	// obeyWithin is how long a sender may go on as before after an error: what was on
	// its way, and a socket that was busy (LockDroppedIcmps).
	obeyWithin = 50 * time.Millisecond
	// ignoredSure is how many time-outs at the old size make it sure that an error was
	// ignored, although no reason for it was found.
	ignoredSure = 4
	// sweepEvery is how often the peer's connections are looked at.
	sweepEvery = time.Second
	// letInAfter is how long after the last dropped error one must come in to prove that they
	// are let in: samples of both are apart by less.
	letInAfter = 2 * time.Second
	// endQuiet is for how long an end's finding stays without a sign: senders that are
	// stuck resend as seldom as every two minutes (TCP_RTO_MAX).
	endQuiet = 120 * time.Second
)

func (g *group) open(desk trap.Desk) bool { return g.told != (trap.Key{}) && desk.Open(g.told) }

func (g *group) take(e *event.Path) {
	if g.first == nil {
		kept := *e
		g.first = &kept
	}
}

func (g *group) work(now event.Time, desk trap.Desk) {
	path := desk.Facts().Paths.Path(g.key)
	if path == nil {
		return
	}
	if g.open(desk) || now.Sub(g.last) < endQuiet && (g.killedAt != 0 || trap.Waiting(path) || bogus(path) != "" || g.stubborn.status() != "") {
		g.ask(now, desk)
	}
	g.judge(now, desk)
}

func (g *group) ask(now event.Time, desk trap.Desk) {
	if g.swept == 0 || now.Sub(g.swept) >= sweepEvery {
		g.swept = now
		desk.Want(event.Want{Of: event.KindConnections, Netns: g.key.Netns, To: g.key.Peer})
	}
	if g.asked != 0 && now.Sub(g.asked) < factsEvery {
		return
	}
	g.asked = now
	if desk.Facts().Namespace(g.key.Netns).Name.Path == "" {
		desk.Want(event.Want{Of: event.KindNamespace, Netns: g.key.Netns})
	}
	if desk.Facts().Namespace(g.key.Netns).Routing == nil {
		desk.Want(event.Want{Of: event.KindRouting, Netns: g.key.Netns})
	}
	desk.Want(event.Want{Of: event.KindPath, Netns: g.key.Netns, To: g.key.Peer})
	trap.WantOwners(desk, desk.Facts().Paths.Path(g.key))
}

// judge tells the desk what the path's errors amount to.
func (g *group) judge(now event.Time, desk trap.Desk) {
	path := desk.Facts().Paths.Path(g.key)
	if path == nil || g.asked == 0 || path.Facts == nil && now.Sub(g.asked) < factsWait {
		return
	}
	cause, status, fresh := g.verdict(path, now, desk.Facts())
	if status == "" || fresh == 0 {
		return
	}
	g.errors, g.kills, g.resent = 0, 0, 0
	g.told = trap.Key{Cause: cause, Netns: g.key.Netns, Subject: g.key.Peer.String()}
	desk.See(trap.Sighting{
		Key:      g.told,
		At:       g.last,
		Since:    g.since(path, cause),
		New:      fresh,
		Status:   status,
		Severity: severity(path, cause),
		Root:     trap.PathRoot(sender(path, cause), path.Key.Peer),
		Across:   true,
		Rank:     rankEnd,
		Rests:    []event.Kind{event.KindDrop, event.KindTooBig, event.KindRetransmit},
		Quiet:    endQuiet,
	})
	if !desk.Open(g.told) {
		g.told = trap.Key{} // a rival explains it better
	}
}

// sender gives the address of the packets that an error was about. Behind NAT a firewall
// sees it translated back, other than the device that the error came in by.
func sender(path *flow.Path, cause finding.Cause) netip.Addr {
	if from := path.Killed.Inner.Source.Addr(); cause == DroppedInbound && from.IsValid() {
		return from
	}
	return path.Local
}

// since is when the first error was met that the cause is about.
func (g *group) since(path *flow.Path, cause finding.Cause) event.Time {
	if cause == DroppedInbound {
		return min(path.Killed.First, g.last)
	}
	if g.ignored(path) == "" && g.stubborn.status() != "" {
		return g.stubborn.first
	}
	return min(path.Told.First, g.last)
}

func (g *group) verdict(path *flow.Path, now event.Time, facts *flow.Facts) (finding.Cause, finding.Status, uint64) {
	switch {
	case g.killedAt != 0:
		routing := facts.Namespace(g.key.Netns).Routing
		young := now.Sub(g.killed.first)
		if g.told == (trap.Key{}) && (young < killWait || routing == nil && young < factsWait || g.killed.count < 2 && heard(path)) {
			return "", "", 0
		}
		if holds(routing, path.Killed.Packet.Source.Addr()) {
			return "", "", 0 // this host's own: a way's to tell
		}
		return DroppedInbound, finding.Confirmed, g.kills + g.resent
	case bogus(path) != "" && g.ours(path, facts):
		return BogusMTU, finding.Confirmed, g.errors + g.resent
	default:
		status := g.ignored(path)
		if status == "" {
			status = g.heedless(facts)
		}
		return Ignored, status, g.errors + g.resent
	}
}

// heard tells whether an error about the path got to its sender's ears, although others
// were dropped: what limits the rate of errors drops the rest of a flight's. A sender that
// was told does not come again.
func heard(path *flow.Path) bool {
	told, killed := &path.Told, &path.Killed
	if f := path.Facts; f != nil && f.Learned != 0 && f.Learned < killed.Inner.Length {
		return true
	}
	if told.Last == 0 || killed.Last.Sub(told.Last).Abs() > madeWithin {
		return false
	}
	return told.Way == event.TooBigAccepted || another(&told.Inner, &killed.Inner)
}

// another tells whether two errors quote different segments of TCP.
func another(a, b *event.Packet) bool {
	return a.Protocol == event.ProtocolTCP && b.Protocol == event.ProtocolTCP && a.Sequence != b.Sequence
}

// ours tells whether an error is for this namespace, not only passing through.
func (g *group) ours(path *flow.Path, facts *flow.Facts) bool {
	if path.Told.Way == event.TooBigAccepted || path.Stalls.Len() > 0 {
		return true
	}
	return holds(facts.Namespace(g.key.Netns).Routing, path.Told.Inner.Source.Addr())
}

func holds(routing *event.Routing, a netip.Addr) bool {
	if routing == nil {
		return false
	}
	for _, iface := range routing.Interfaces {
		for _, prefix := range iface.Prefixes {
			if prefix.Addr() == a {
				return true
			}
		}
	}
	return false
}

// bogus says what is wrong with the MTU that an error told, "" where nothing is.
func bogus(path *flow.Path) string {
	told := &path.Told
	least := uint32(68) // RFC 791
	if path.Key.Peer.Is6() {
		least = 1280 // RFC 8200, section 5
	}
	switch {
	case told.Last == 0:
		return ""
	case told.MTU == 0:
		return "no MTU at all (0, as routers did before RFC 1191), for which Linux falls back to its least path MTU (min_pmtu)"
	case told.MTU < least:
		return fmt.Sprintf("an MTU of %d, less than the %d that every link has", told.MTU, least)
	case told.Inner.Length != 0 && told.MTU >= told.Inner.Length:
		return fmt.Sprintf("an MTU of %d, although the packet that it quotes has only %d bytes", told.MTU, told.Inner.Length)
	default:
		return ""
	}
}

// ignored tells whether a connection still sends what an error said not to.
func (g *group) ignored(path *flow.Path) finding.Status {
	status := finding.Status("")
	for s := range path.Stalls.All {
		late := path.Told.First != 0 && s.Last.Time.Sub(path.Told.First) > obeyWithin
		others := s.Tuple.Local.Addr() != path.Told.Inner.Source.Addr()
		if s.Ended != 0 || others || !late || s.Last.Size <= path.Told.MTU || path.Told.MTU == 0 {
			continue
		}
		if status == "" {
			status = finding.Suspected
		}
		if g.reason(path) != "" || s.Last.Timeouts >= ignoredSure {
			return finding.Confirmed
		}
	}
	return status
}

// reason says why this host does not act on an error, "" where that is not known.
func (g *group) reason(path *flow.Path) string {
	f := path.Facts
	switch {
	case f == nil:
		return ""
	case f.RouteLocked:
		return fmt.Sprintf("the route's MTU is locked: %s", f.Route.Text)
	case f.NoPMTUDisc != 0:
		return fmt.Sprintf("ip_no_pmtu_disc is %d: the kernel does not act on these errors", f.NoPMTUDisc)
	case path.Told.MTU < f.MinPMTU:
		return fmt.Sprintf("the MTU told (%d) is less than min_pmtu (%d)", path.Told.MTU, f.MinPMTU)
	case g.first != nil && f.OutOfWindow > g.first.OutOfWindow:
		return "the sequence number that the error quotes lies outside the window (OutOfWindowIcmps grew): it was forged, late, or changed on its way by a middlebox"
	default:
		return ""
	}
}

func severity(path *flow.Path, cause finding.Cause) finding.Severity {
	if cause == BogusMTU && path.Stalls.Len() == 0 {
		return finding.Low // nothing hangs for it yet
	}
	return finding.High
}

// set tells whether the route itself holds packets below a size: what the kernel has
// learned of a bogus error is no cure.
func set(path *flow.Path, size uint32) bool {
	return path.Facts != nil && path.Facts.Route.MTU != 0 && path.Facts.Route.MTU < size
}

// mend closes the finding once data flows again, or the error is let in.
func (g *group) mend(now event.Time, desk trap.Desk) {
	path := desk.Facts().Paths.Path(g.key)
	if path == nil || !g.open(desk) || trap.Waiting(path) {
		return
	}
	if reason := trap.Flowing(path, g.began); reason != "" {
		desk.Mend(g.told, now, reason)
		return
	}
	if reason := g.learned(now); reason != "" && g.told.Cause == Ignored {
		desk.Mend(g.told, now, reason)
		return
	}
	if reason := trap.Held(path, path.Killed.Inner.Length, g.killedAt); reason != "" && g.killedAt != 0 {
		desk.Mend(g.told, now, reason)
		return
	}
	if told := &path.Told; g.told.Cause == BogusMTU && set(path, told.Inner.Length) && trap.Held(path, told.Inner.Length, told.Last) != "" {
		desk.Mend(g.told, now, fmt.Sprintf("the route to %s has an MTU of %d now, and needs no router's word", g.key.Peer, path.Facts.Route.MTU))
		return
	}
	if g.killedAt != 0 && path.Told.Last.Sub(g.killedAt) > letInAfter && now.Sub(path.Told.Last) > killWait {
		desk.Mend(g.told, now, "ICMP \"too big\" about "+g.key.Peer.String()+" is let in now")
	}
}
