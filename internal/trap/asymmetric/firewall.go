// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// sentFromHere is the subject of drops on this host's own way out.
const sentFromHere = "output"

// observeHalf takes a firewall's drop of a segment that was dropped before, and newer
// counts of such.
func (d *Detector) observeHalf(e *event.Drop, desk trap.Desk) {
	key := dropKey{e.Netns, e.Reason, e.Packet.Source.Addr(), e.Packet.Destination.Addr(), e.Ifindex}
	if e.Times == 0 && (e.Sampled || !d.counts.Known(key)) {
		return
	}
	subject := e.Iface
	if subject == "" {
		subject = sentFromHere
	}
	k := trap.Key{Cause: FirewallInvalid, Netns: e.Netns, Subject: subject}
	h, ok := d.halves.Get(k)
	if !ok && !e.Sampled {
		return
	}
	if !ok {
		h = newHalf(k, e)
	}
	d.halves.Put(k, h)
	h.take(e, d.counts.Advance(key, e.Count, e.Time))
	h.ask(e.Time, desk)
	h.judge(desk)
}

func (d *Detector) takeFirewall(e *event.Firewall, desk trap.Desk) {
	for h := range d.halves.All {
		if h.key.Netns == e.Netns && h.learn(e) {
			h.judge(desk)
		}
	}
	d.judgeNetns(e.Netns, e.Time, desk)
}

func (d *Detector) tickHalves(now event.Time, desk trap.Desk) {
	for h := range d.halves.All {
		if !desk.Open(h.key) {
			continue
		}
		if reason, ok := h.mended(now); ok {
			desk.Mend(h.key, now, reason)
			return // the table changed: the others wait for the next tick
		}
		h.ask(now, desk)
	}
}
