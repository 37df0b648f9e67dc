// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// staleGrace is how long after its TTL an address may still be dialled: it was
	// resolved just before, and the program took its time. Happy eyeballs wait for 250 ms
	// (RFC 8305, 8).
	staleGrace = 500 * time.Millisecond
	// curedAfter is how long no dial to the old address must follow one to a new.
	curedAfter = 2 * time.Second
	// maxCurrent bounds how many of the new addresses are watched for the cure.
	maxCurrent = 4
)

type dialKey struct {
	netns event.Netns
	to    netip.Addr
}

func staleKey(k flow.NameKey) trap.Key {
	return trap.Key{Cause: StaleAnswer, Netns: k.Netns, Subject: k.Name}
}

// stale is an address that is dialled although its name has it no more.
type stale struct {
	base
	name flow.NameKey
	addr netip.Addr
	port uint16
	// held is how the name had the address, newer the answer that took it away.
	held  flow.Held
	newer flow.Said
	// dialled is when the first dial too late was, until when the program might have
	// dialled, cured when the same program dialled a current address last.
	dialled event.Time
	until   event.Time
	// told is true where until is what the program was told itself.
	told  bool
	cured event.Time
	cure  netip.Addr
	proto uint8
	// shared is true where another name still has the address, of which the program was
	// not told it.
	shared bool
}

func (d *Detector) hearDial(e *event.Dial, desk trap.Desk) {
	to := e.Destination.Addr()
	fresh := d.dials.Advance(dialKey{e.Netns, to}, e.Count, e.Time)
	if fresh == 0 {
		return
	}
	d.noteCure(e)
	l := d.lostBy(e.Netns, to, e.Owner, e.Time)
	if l == nil {
		return
	}
	n, h := l.name, l.held
	s := d.stale(n, h)
	s.shared = l.shared
	s.take(e.Time, fresh)
	s.port, s.proto = e.Destination.Port(), e.Protocol
	if s.dialled == 0 {
		s.dialled = e.Time
		s.until, s.told = useful(n, h, e.Owner)
	}
	s.ask(e.Owner, desk)
	s.watchCure(desk)
	s.judge(e.Time, desk)
}

func (d *Detector) stale(n *flow.Name, h *flow.Held) *stale {
	key := staleKey(n.Key)
	if m, ok := d.matters.Get(key); ok {
		s := m.(*stale)
		s.update(n, h)
		return s
	}
	s := &stale{base: base{key: key}, name: n.Key}
	s.update(n, h)
	d.matters.Put(key, s)
	return s
}

func (s *stale) update(n *flow.Name, h *flow.Held) {
	s.addr, s.held = h.Addr, *h
	if newer := n.Of(h.GoneServer); newer != nil {
		s.newer = *newer
	}
}

// watchCure asks for the dials to the addresses that the name has now.
func (s *stale) watchCure(desk trap.Desk) {
	for _, addr := range s.newer.Addresses[:min(len(s.newer.Addresses), maxCurrent)] {
		desk.Want(event.Want{Of: event.KindDial, Netns: s.key.Netns, To: addr})
	}
}

// noteCure notes that a program which dialled an old address now dials a current one.
func (d *Detector) noteCure(e *event.Dial) {
	for _, key := range d.names.Holders(e.Netns, e.Destination.Addr()) {
		m, ok := d.matters.Get(staleKey(key))
		if !ok {
			continue
		}
		s := m.(*stale)
		same := e.Owner.PID == s.owner.PID || e.Owner.Comm == s.owner.Comm
		if same && slices.Contains(s.newer.Addresses, e.Destination.Addr()) {
			s.cured, s.cure = e.Time, e.Destination.Addr()
		}
	}
}

// answered: the name has the address again, so it was never stale for good.
func (s *stale) answered(n *flow.Name, said *flow.Said, desk trap.Desk) {
	switch {
	case slices.Contains(said.Addresses, s.addr):
		desk.Mend(s.key, said.At, fmt.Sprintf("%s answers with %s again", said.Server.Addr(), s.addr))
	case n.Rotates(said.At):
		desk.Mend(s.key, said.At, "the answers for the name go round: an old address may be as good as a new one")
	}
}

func (s *stale) judge(now event.Time, desk trap.Desk) {
	if !s.ready(now) {
		return
	}
	v := verdict{
		status: finding.Confirmed, severity: finding.High,
		root: rootOf(s.name.Name), rank: rankStale,
		rests: append(dnsKinds(), event.KindDial),
	}
	if s.overlaps() {
		v.status, v.severity = finding.Suspected, finding.Low
	}
	if s.virtual() || s.shared {
		v.status, v.severity = finding.Suspected, finding.Medium
	}
	s.see(desk, v)
}

// overlaps: a pool that shrank, or a window on a larger one, looks like this too.
func (s *stale) overlaps() bool {
	for _, addr := range s.newer.Before {
		if slices.Contains(s.newer.Addresses, addr) {
			return true
		}
	}
	return false
}

func (s *stale) virtual() bool { return s.resolver != nil && s.resolver.Virtual != "" }

func (s *stale) mended(now event.Time, _ trap.Desk) (string, bool) {
	if s.unseen > 0 || s.cured <= s.last || now.Sub(s.last) < curedAfter {
		return "", false
	}
	return fmt.Sprintf("%s dials %s now, and %s no more", s.owner.Comm, s.cure, s.addr), true
}
