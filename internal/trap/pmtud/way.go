// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package pmtud

import (
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// way is what this host, as a router, did with one pair of addresses' packets: those
// that did not fit, the errors about them, the errors that its firewall dropped.
type way struct {
	key    wayKey
	first  event.Drop   // a packet that did not fit; zero until one is seen
	killed event.Drop   // an error that was dropped; zero until one is
	quoted event.Packet // what the newest error that was made quotes
	drops  uint64
	kills  uint64
	sent   uint64
	// wanted are errors that were to be sent, where it cannot be seen whether they left.
	wanted uint64
	unseen uint64
	// bursts counts moments of drops, lost those of dropped errors.
	bursts  int
	lost    burst
	firstAt event.Time
	dropAt  event.Time
	killAt  event.Time
	sentAt  event.Time
	mtu     uint32 // what the errors tell
	asked   event.Time
	back    *event.RouteBack // the way back to the sender, nil until asked
	told    trap.Key
}

type wayKey struct {
	netns               event.Netns
	source, destination netip.Addr
}

func wayOf(netns event.Netns, p *event.Packet) wayKey {
	return wayKey{netns, p.Source.Addr(), p.Destination.Addr()}
}

const (
	// burstGap is the least time between two flights: half of Linux's least time-out.
	burstGap = 100 * time.Millisecond
	// notSentBursts are the flights that must have gone without an error, and
	// notSentFor for how long, before it counts as not sent: the sender has timed out
	// and come again by then.
	notSentBursts = 2
	notSentSure   = 3
	notSentFor    = 150 * time.Millisecond
	// madeWithin is how far apart a drop and the error about it can be seen.
	madeWithin = 2 * time.Second
	// wayMended is for how long errors must leave unhindered.
	wayMended = 2 * time.Second
)

// burst counts moments: what one flight of a sender brings about is one.
type burst struct {
	first, last event.Time
	count       int
}

// calm is after how long without another a moment stands for itself: a stuck sender
// resends five times in less.
const calm = 5 * time.Second

func (b *burst) add(at event.Time) {
	if b.count != 0 && at.Sub(b.last) > calm {
		*b = burst{}
	}
	if b.count == 0 {
		b.first = at
	}
	if b.count == 0 || at.Sub(b.last) >= burstGap {
		b.count++
	}
	b.last = at
}

func (w *way) drop(e *event.Drop, fresh uint64) {
	if w.first.Time == 0 {
		w.first, w.firstAt = *e, e.Time
	}
	if w.dropAt == 0 || e.Time.Sub(w.dropAt) >= burstGap {
		w.bursts++
	}
	w.dropAt = e.Time
	w.drops += fresh
	w.unseen += fresh
}

func (w *way) kill(e *event.Drop, fresh uint64) {
	w.killAt = e.Time
	w.lost.add(e.Time)
	if w.killed.Time == 0 || w.lost.first == e.Time && w.told == (trap.Key{}) {
		w.killed = *e
	}
	w.kills += fresh
	w.unseen += fresh
}

// made tells whether this host itself made the error that was dropped: it dropped the
// packet, or was seen to make an error about it, at about that time.
func (w *way) made() bool {
	if w.killAt == 0 {
		return false
	}
	near := func(at event.Time) bool { return at != 0 && w.killAt.Sub(at).Abs() < madeWithin }
	return near(w.dropAt) || near(w.sentAt)
}

// work asks and judges while something is wrong.
func (w *way) work(now event.Time, d *Detector, desk trap.Desk) {
	cause, status := w.verdict(now, d)
	if cause == "" {
		return
	}
	w.ask(now, desk)
	if cause == NotSent && !w.unsendable() {
		return
	}
	if w.unseen == 0 || w.facts(desk.Facts()) == nil && now.Sub(w.asked) < factsWait {
		return
	}
	seen := trap.Sighting{
		Key:      w.subjectKey(cause, desk),
		At:       max(w.dropAt, w.killAt),
		Since:    w.since(),
		New:      w.unseen,
		Status:   status,
		Severity: finding.High,
		Root:     trap.PathRoot(w.key.source, w.key.destination),
		Across:   true,
		Rank:     rankMiddle,
		Rests:    []event.Kind{event.KindDrop, event.KindTooBig},
		Quiet:    endQuiet,
	}
	w.unseen = 0
	w.told = seen.Key
	desk.See(seen)
}

func (w *way) since() event.Time {
	if w.firstAt == 0 || w.killed.Time != 0 && w.killed.Time < w.firstAt {
		return w.killed.Time
	}
	return w.firstAt
}

func (w *way) verdict(now event.Time, d *Detector) (finding.Cause, finding.Status) {
	switch {
	case w.made() && w.lost.count < 2 && w.told == (trap.Key{}) && another(&w.quoted, &w.killed.Inner):
		return "", "" // the error before it left: the sender was told
	case w.made():
		return DroppedOutbound, finding.Confirmed
	case w.drops == 0 || w.sent > 0 || w.kills > 0 || !d.seesSent(w.key.source):
		return "", ""
	case w.bursts >= notSentSure:
		return NotSent, finding.Confirmed
	case w.bursts >= notSentBursts && now.Sub(w.firstAt) >= notSentFor:
		return NotSent, finding.Suspected
	default:
		return "", ""
	}
}

// unsendable tells that no error can have left. Where only the kernel's intent to send one
// is seen, that there is no way back to the sender tells.
func (w *way) unsendable() bool {
	return w.wanted == 0 || w.back != nil && !w.back.Found
}

// seesSent tells whether this host's own errors of a family can be seen at all.
func (d *Detector) seesSent(source netip.Addr) bool {
	if source.Is6() {
		return d.told["icmp6_send"]
	}
	return d.told["icmp_send"]
}

// subjectKey keeps the key of a finding that is open: the device may become known after it.
func (w *way) subjectKey(cause finding.Cause, desk trap.Desk) trap.Key {
	if w.told.Cause == cause && desk.Open(w.told) {
		return w.told
	}
	return trap.Key{Cause: cause, Netns: w.key.netns, Subject: w.subject()}
}

// subject is the device that the packets do not fit: one fault, whoever sends.
func (w *way) subject() string {
	if w.first.OutIface != "" {
		return w.first.OutIface
	}
	return w.key.destination.String()
}

// factsEvery is how often the facts behind a verdict are asked again.
const factsEvery = 2 * time.Second

func (w *way) ask(now event.Time, desk trap.Desk) {
	if w.asked != 0 && now.Sub(w.asked) < factsEvery {
		return
	}
	w.asked = now
	if desk.Facts().Namespace(w.key.netns).Name.Path == "" {
		desk.Want(event.Want{Of: event.KindNamespace, Netns: w.key.netns})
	}
	desk.Want(event.Want{Of: event.KindPath, Netns: w.key.netns, To: w.key.destination})
	desk.Want(event.Want{Of: event.KindRouteBack, Netns: w.key.netns, To: w.key.source})
}

// facts are what this namespace believes of the way on, nil until they were read.
func (w *way) facts(facts *flow.Facts) *event.Path {
	if path := facts.Paths.Path(flow.PathKey{Netns: w.key.netns, Peer: w.key.destination}); path != nil {
		return path.Facts
	}
	return nil
}

// mend closes the finding once errors leave unhindered: some were made well after the
// last one that was dropped, or more than were dropped. A sender that was told is
// silent for minutes, so that there may be one only.
func (w *way) mend(now event.Time, desk trap.Desk) {
	after := w.killAt // an error is made before its packet is dropped
	if w.told.Cause == NotSent {
		after = max(after, w.firstAt)
	}
	if w.told == (trap.Key{}) || !desk.Open(w.told) || w.sentAt <= after {
		return
	}
	if w.told.Cause == NotSent && w.sent == 0 {
		w.mendRoute(now, desk)
		return
	}
	left := w.sentAt.Sub(w.killAt) >= burstGap || w.sent+w.wanted > w.kills
	if left && now.Sub(w.sentAt) >= wayMended {
		desk.Mend(w.told, now, "ICMP \"too big\" leaves for "+w.key.source.String()+" again")
	}
}

// mendRoute closes it, where errors are not seen to leave, once there is a way back for
// them.
func (w *way) mendRoute(now event.Time, desk trap.Desk) {
	w.ask(now, desk)
	if w.back != nil && w.back.Found {
		desk.Mend(w.told, now, "there is a way back to "+w.key.source.String()+" for ICMP \"too big\" again")
	}
}
