// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
)

func (d *Detector) hearQuery(q *event.DNSQuery, desk trap.Desk) {
	if !q.Recursive {
		return
	}
	x, fresh := d.exchanges.Ask(q)
	if fresh {
		d.server(q.Netns, q.Server).ask(q)
		if !x.Forwarded {
			d.searching(q, desk)
		}
		return
	}
	if x.Tries > 1 && q.Time.Sub(x.Query.Time) >= gaveUpAfter && d.exchanges.Miss(x) {
		d.unanswered(x, q.Time, desk)
	}
}

func (d *Detector) hearAnswer(a *event.DNSAnswer, desk trap.Desk) {
	x := d.exchanges.Answer(a)
	if x == nil {
		return
	}
	d.answered(x, a, desk)
	if a.Truncated { // it is asked again over TCP
		return
	}
	if a.RCode == "NXDOMAIN" && !x.Forwarded {
		d.denied(x, a, desk)
	}
	if a.Type != "A" && a.Type != "AAAA" || a.RCode != "NOERROR" && a.RCode != "NXDOMAIN" {
		return
	}
	n := d.names.Take(a)
	n.Tell(x.Query.Owner, a)
	s := n.Of(a.Server)
	if s.Denies() {
		d.checkDenial(n, s, x, desk)
		return
	}
	d.watchLost(n, a, desk)
	d.checkAgreement(n, s, x, desk)
	d.checkTTL(n, s, x, desk)
	d.settle(n, s, desk)
}

// watchLost asks for the dials to addresses that this answer took from the name.
func (d *Detector) watchLost(n *flow.Name, a *event.DNSAnswer, desk trap.Desk) {
	if n.Rotates(a.Time) {
		return
	}
	for _, h := range n.Held {
		if h.Gone == a.Time {
			desk.Want(event.Want{Of: event.KindDial, Netns: a.Netns, To: h.Addr})
		}
	}
}

// settle lets an answer with addresses end what it contradicts.
func (d *Detector) settle(n *flow.Name, s *flow.Said, desk trap.Desk) {
	if m, ok := d.matters.Get(staleKey(n.Key)); ok {
		m.(*stale).answered(n, s, desk)
	}
	if s.Times == 1 { // news
		d.excuse(n, s, desk)
	}
	if m, ok := d.matters.Get(denialKey(n.Key)); ok {
		m.(*denial).answered(s, desk)
	}
}
