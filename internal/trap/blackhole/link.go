// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package blackhole

import (
	"net/netip"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// link is a device that drops frames which are too large for it, without a word to
// their sender.
type link struct {
	key    linkKey
	first  event.Drop
	last   event.Time
	drops  uint64
	unseen uint64
	// largest and smallest are the sizes of the IP packets dropped.
	largest, smallest uint32
	asked             event.Time
	opened            bool
}

type linkKey struct {
	netns event.Netns
	iface string
}

// dropKey is the kernel's key of a drop counter.
type dropKey struct {
	link                linkKey
	source, destination netip.Addr
}

const (
	// confirmDrops is how many frames make sure that it was no accident: a setting
	// that was just being changed.
	confirmDrops = 2
	// linkMended is how long nothing must be dropped after the MTU was raised.
	linkMended = 2 * time.Second
)

// oversize tells whether the drop is one of a packet larger than the device that it
// was to leave by. The reason is used for much else, so the code that dropped must be
// one that forwards frames or puts them into tunnels, where its name is known.
func oversize(e *event.Drop) bool {
	if e.Reason != "NOT_SPECIFIED" || e.Packet.SegmentSize != 0 || e.DeviceMTU == 0 {
		return false
	}
	if e.Symbol == "" {
		return e.Packet.Length > e.DeviceMTU
	}
	return (forwards(e.Symbol) || bridged(e)) && e.Packet.Length > limit(e)
}

// limit is the MTU that a dropped packet met: the device's, or that of the far end of
// its virtual cable.
func limit(e *event.Drop) uint32 {
	if farEnd(e) {
		return e.OutMTU
	}
	return e.DeviceMTU
}

func farEnd(e *event.Drop) bool {
	return e.Packet.Length <= e.DeviceMTU && e.OutMTU != 0 && e.OutMTU < e.DeviceMTU
}

// bridged tells whether a frame was dropped on its way through a bridge with netfilter,
// which cuts packets as a router would: it stands on a port, and its route is the bridge.
func bridged(e *event.Drop) bool {
	return e.Symbol == "ip6_fragment" && e.OutIfindex != 0 && e.OutIfindex != e.Ifindex
}

// forwards tells whether a kernel function is one of those that pass frames on.
func forwards(symbol string) bool {
	for _, part := range []string{
		"br_", "deliver", "forward_skb", "veth", "macvlan", "ipvlan", "tunnel", "vxlan", "geneve", "gre", "tnl", "wg_",
	} {
		if strings.Contains(symbol, part) {
			return true
		}
	}
	return false
}

func (d *Detector) observeDrop(e *event.Drop, desk trap.Desk) {
	key := linkKey{e.Netns, e.Iface}
	l, known := d.links.Get(key)
	if e.Reason != "NOT_SPECIFIED" || !e.Sampled && !known || e.Sampled && !oversize(e) {
		return
	}
	fresh := d.drops.Advance(dropKey{key, e.Packet.Source.Addr(), e.Packet.Destination.Addr()}, e.Count, e.Time)
	if fresh == 0 {
		return
	}
	if !known {
		l = &link{key: key}
		d.links.Put(key, l)
	}
	l.take(e, fresh)
	l.judge(e.Time, desk)
}

func (l *link) take(e *event.Drop, fresh uint64) {
	if l.first.Time == 0 {
		l.first = *e
	}
	l.last = max(l.last, e.Time)
	l.drops += fresh
	l.unseen += fresh
	if !e.Sampled {
		return // only a count
	}
	l.largest = max(l.largest, e.Packet.Length)
	if l.smallest == 0 || e.Packet.Length < l.smallest {
		l.smallest = e.Packet.Length
	}
}

func (l *link) keyOf() trap.Key {
	return trap.Key{Cause: LinkDropsOversize, Netns: l.key.netns, Subject: l.key.iface}
}

func (l *link) judge(now event.Time, desk trap.Desk) {
	if l.unseen == 0 {
		return
	}
	status := finding.Suspected
	if l.drops >= confirmDrops {
		status = finding.Confirmed
	}
	l.ask(now, desk)
	l.opened = true
	desk.See(trap.Sighting{
		Key:      l.keyOf(),
		At:       l.last,
		Since:    l.first.Time,
		New:      l.unseen,
		Status:   status,
		Severity: finding.High,
		Root:     trap.PathRoot(l.first.Packet.Source.Addr(), l.first.Packet.Destination.Addr()),
		Across:   true,
		Rank:     rankLink,
		Rests:    []event.Kind{event.KindDrop},
		Quiet:    troubleLasts, // who is stuck resends as seldom as that
	})
	l.unseen = 0
}

func (l *link) ask(now event.Time, desk trap.Desk) {
	if l.asked != 0 && now.Sub(l.asked) < factsEvery {
		return
	}
	l.asked = now
	if desk.Facts().Namespace(l.key.netns).Name.Path == "" {
		desk.Want(event.Want{Of: event.KindNamespace, Netns: l.key.netns})
	}
	desk.Want(event.Want{Of: event.KindRouting, Netns: l.key.netns})
}

// tick looks whether the device takes such frames now.
func (l *link) tick(now event.Time, desk trap.Desk) {
	if !l.opened || !desk.Open(l.keyOf()) {
		return
	}
	l.ask(now, desk)
	routing := desk.Facts().Namespace(l.key.netns).Routing
	if now.Sub(l.last) < linkMended || routing == nil || routing.Time <= l.last {
		return
	}
	for _, iface := range routing.Interfaces {
		if iface.Name != l.key.iface {
			continue
		}
		switch {
		case !farEnd(&l.first) && iface.MTU >= l.largest:
			desk.Mend(l.keyOf(), now, "the MTU of "+iface.Name+" takes these packets now, and none was dropped since")
		case farEnd(&l.first) && iface.MTU <= limit(&l.first):
			desk.Mend(l.keyOf(), now, "the MTU of "+iface.Name+" is that of its far end now, and nothing was dropped since")
		}
	}
}

// forget starts over: the finding is closed.
func (l *link) forget() {
	*l = link{key: l.key, largest: l.largest, smallest: l.smallest}
}

func (l *link) flow(f *finding.Finding) {
	p := l.first.Packet
	f.Flow = finding.Flow{
		Source: p.Source.Addr(), SourcePort: p.Source.Port(),
		Destination: p.Destination.Addr(), DestinationPort: p.Destination.Port(),
	}
	f.Egress = l.key.iface
}
