// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// lost is a name that lost an address which is dialled. Shared is true where another
// name still has the address, of which the program was never told it.
type lost struct {
	name   *flow.Name
	held   *flow.Held
	told   bool
	shared bool
}

// lostBy gives what the dial of an address for good lost, nil where the dial is innocent:
// some name that may be meant still has the address, as far as anybody knows.
func (d *Detector) lostBy(netns event.Netns, to netip.Addr, who event.Owner, at event.Time) *lost {
	var found *lost
	var keep []*flow.Name
	for _, key := range d.names.Holders(netns, to) {
		n := d.names.Get(key)
		if n == nil {
			continue
		}
		h := n.Holds(to)
		if h == nil {
			continue
		}
		if keeps(n, h, who, at) {
			keep = append(keep, n)
			continue
		}
		if l := lose(n, h, who); l != nil && l.before(found) {
			found = l
		}
	}
	if found == nil || len(keep) == 0 {
		return found
	}
	if !found.told || slices.ContainsFunc(keep, func(n *flow.Name) bool { return !n.Untold(who, to) }) {
		return nil
	}
	found.shared = true
	return found
}

// keeps tells whether a name still has an address, or may have it.
func keeps(n *flow.Name, h *flow.Held, who event.Owner, at event.Time) bool {
	if h.Gone == 0 && !n.Withdrawn(h, at) {
		return true
	}
	return differs(n, h) || at < usable(n, h, who) || n.Rotates(at)
}

// lose gives a name as one that lost an address to another, nil where it has none now: a
// name that is merely denied may be one whose zone is being loaded.
func lose(n *flow.Name, h *flow.Held, who event.Owner) *lost {
	if h.Gone == 0 {
		return nil
	}
	_, told := n.Until(who, h.Addr)
	return &lost{name: n, held: h, told: told}
}

// before tells which of two names a program means: the one under which it was told the
// address, else the one that had it last.
func (l *lost) before(other *lost) bool {
	if other == nil || l.told != other.told {
		return other == nil || l.told
	}
	return l.held.Last > other.held.Last
}

// differs tells whether the name lost the address only in the eyes of a resolver that
// said so before, while the one that gave it has not taken it back: they disagree, which
// is another matter.
func differs(n *flow.Name, h *flow.Held) bool {
	gave, took := n.Of(h.Server), n.Of(h.GoneServer)
	if gave == nil || took == nil || gave == took {
		return false
	}
	return took.Since <= h.Last && slices.Contains(gave.Addresses, h.Addr)
}

// useful tells until when a program may use an address: by what it was told itself where
// that is known, else by what anybody on the host was.
func useful(n *flow.Name, h *flow.Held, who event.Owner) (until event.Time, told bool) {
	if until, told = n.Until(who, h.Addr); told {
		return until, true
	}
	return h.Expires, false
}

// usable tells until when a dial is innocent.
func usable(n *flow.Name, h *flow.Held, who event.Owner) event.Time {
	until, _ := useful(n, h, who)
	return until.Add(staleGrace)
}

// excuse closes what was told of other names at an address that one has anew, where the
// program that dialled it may mean this one: it was denied for a while.
func (d *Detector) excuse(n *flow.Name, said *flow.Said, desk trap.Desk) {
	for _, addr := range said.Addresses {
		for _, key := range d.names.Holders(n.Key.Netns, addr) {
			m, ok := d.matters.Get(staleKey(key))
			if !ok || key == n.Key {
				continue
			}
			s := m.(*stale)
			if s.addr == addr && d.lostBy(key.Netns, addr, s.owner, said.At) == nil {
				desk.Mend(s.key, said.At, fmt.Sprintf("%s has %s (again), and may be what is dialled", n.Key.Name, addr))
			}
		}
	}
}
