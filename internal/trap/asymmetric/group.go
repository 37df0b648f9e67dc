// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"net/netip"
	"slices"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// maxSources bounds the sources that a group names; the others are only counted.
const maxSources = 8

// raiseDrops is how many drops make a fault of an accident: by then a client has
// sent its SYN again and again.
const raiseDrops = 5

// group is what was seen of one subject: one interface's drops for one cause.
type group struct {
	key     trap.Key
	first   event.Drop // the drop that began it
	last    event.Time
	drops   uint64
	unseen  uint64 // drops not yet told to the desk
	told    finding.Status
	rate    flow.Rate
	sources []netip.Addr
	reply   bool
	asked   event.Time
	back    *event.RouteBack
}

func newGroup(key trap.Key, e *event.Drop) *group { return &group{key: key, first: *e} }

func (g *group) count(at event.Time, fresh uint64) {
	if fresh == 0 {
		return
	}
	g.last = max(g.last, at)
	g.drops += fresh
	g.unseen += fresh
	g.rate.Add(at, float64(g.drops))
}

func (g *group) take(e *event.Drop, fresh uint64) {
	g.count(e.Time, fresh)
	if e.Sampled {
		g.reply = g.reply || isReply(e.Packet)
		if g.first.Reverse.IsZero() {
			g.first.Reverse = e.Reverse
		}
	}
	source := e.Packet.Source.Addr()
	if len(g.sources) < maxSources && !slices.Contains(g.sources, source) {
		g.sources = append(g.sources, source)
	}
}

// ask wants the facts that a verdict needs, once per round.
func (g *group) ask(now event.Time, desk trap.Desk) {
	if g.asked != 0 {
		return
	}
	g.asked = now
	if desk.Facts().Namespace(g.key.Netns).Name.Path == "" {
		desk.Want(event.Want{Of: event.KindNamespace, Netns: g.key.Netns})
	}
	desk.Want(event.Want{Of: event.KindRouting, Netns: g.key.Netns})
	if g.byRule() {
		p := g.first.Packet
		desk.Want(event.Want{Of: event.KindFirewall, Netns: g.key.Netns, From: p.Source.Addr(), To: p.Destination.Addr()})
	}
	desk.Want(event.Want{
		Of:    event.KindRouteBack,
		Netns: g.key.Netns,
		To:    g.first.Packet.Source.Addr(),
		From:  g.first.Packet.Destination.Addr(),
	})
}

// judge tells the desk once the facts are in, or once they are overdue.
func (g *group) judge(now event.Time, desk trap.Desk) {
	if g.key.Cause == MartianSource && g.drops < martianDrops {
		return
	}
	if g.unseen == 0 && g.told != finding.Suspected {
		return
	}
	if g.byRule() && !g.ruled(desk.Facts()) {
		return // another rule's drop, as far as is known
	}
	if iface := g.ingress(desk.Facts()); iface != nil {
		g.first.Iface = iface.Name // it may have been renamed since the kernel made its row
	}
	status := g.status(desk.Facts())
	if g.unseen == 0 && status != finding.Confirmed {
		return
	}
	overdue := now.Sub(g.first.Time) >= factsWait
	if !overdue && !g.informed(desk.Facts()) || !g.borneOut(desk.Facts()) {
		return
	}
	g.told = status
	desk.See(trap.Sighting{
		Key:      g.key,
		At:       g.last,
		Since:    g.first.Time,
		New:      g.unseen,
		Status:   status,
		Severity: g.severity(),
		Rests:    []event.Kind{event.KindDrop},
	})
	g.unseen = 0
}

// informed tells whether every fact that could sharpen the verdict is there.
func (g *group) informed(facts *flow.Facts) bool {
	routing := facts.Namespace(g.key.Netns).Routing
	if routing == nil || routing.Time < g.first.Time {
		return false
	}
	return g.key.Cause == MartianSource || !g.first.Reverse.IsZero() || g.back != nil
}

func (g *group) status(facts *flow.Facts) finding.Status {
	if g.key.Cause == MartianSource || g.byRule() {
		return finding.Confirmed
	}
	iface := g.ingress(facts)
	if iface != nil && iface.Effective > 0 && g.expected() != iface.Name && g.lookedUp() {
		return finding.Confirmed
	}
	return finding.Suspected
}

func (g *group) severity() finding.Severity {
	switch {
	case g.key.Cause == MartianSource:
		return finding.Low
	case g.reply || g.drops >= raiseDrops:
		return finding.High
	default:
		return finding.Medium
	}
}

// ingress gives the interface the packets came in by, nil while unknown.
func (g *group) ingress(facts *flow.Facts) *event.Interface {
	routing := facts.Namespace(g.key.Netns).Routing
	if routing == nil {
		return nil
	}
	for i := range routing.Interfaces {
		if routing.Interfaces[i].Index == g.first.Ifindex {
			return &routing.Interfaces[i]
		}
	}
	return nil
}

// lookedUp tells whether it is known which way the route back goes. That there is
// none is known only from the kernel's own lookup: a question asked afterwards may
// fail for reasons of its own.
func (g *group) lookedUp() bool {
	return !g.first.Reverse.IsZero() || g.back != nil && g.back.Found
}

// expected is the interface of the route back: the kernel's own lookup where it
// was caught, else the answer to the same question asked later; "" for no route.
func (g *group) expected() string {
	if !g.first.Reverse.IsZero() {
		return g.first.Reverse.Iface
	}
	if g.back != nil {
		return g.back.Route.Iface
	}
	return ""
}
