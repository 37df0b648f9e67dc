// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"
	"slices"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Bounds of what is kept of who was told what of one name. Answers with more addresses
// than that are a pool's, where nobody is held to one of them.
const (
	maxTold   = 16
	maxShared = 4
)

// told is an address that a program was given, and until when it may use it.
type told struct {
	pid   uint32
	comm  string
	addr  netip.Addr
	until event.Time
}

// Tell notes whom an answer was for.
func (n *Name) Tell(to event.Owner, a *event.DNSAnswer) {
	if to.PID == 0 || len(a.Addresses) > maxShared {
		n.forgot = n.forgot || len(a.Addresses) > 0
		return
	}
	until := a.Time.Add(time.Duration(a.TTL) * time.Second)
	for _, addr := range a.Addresses {
		n.note(told{to.PID, to.Comm, addr, until})
	}
}

func (n *Name) note(t told) {
	for i, known := range n.told {
		if known.pid == t.pid && known.comm == t.comm && known.addr == t.addr {
			n.told = slices.Delete(n.told, i, i+1)
			t.until = max(t.until, known.until)
			break
		}
	}
	if len(n.told) >= maxTold {
		n.told = slices.Delete(n.told, 0, 1)
		n.forgot = true
	}
	n.told = append(n.told, t)
}

// Until tells how long a program may use an address by what it was told itself: by its
// thread of that name, else by any of the process. False where no answer to it is known:
// it asked somebody who asked for it, or too long ago.
func (n *Name) Until(who event.Owner, addr netip.Addr) (until event.Time, known bool) {
	var own, any event.Time
	for _, t := range n.told {
		if t.pid != who.PID || t.addr != addr {
			continue
		}
		any = max(any, t.until)
		if t.comm == who.Comm {
			own = t.until
		}
	}
	if own != 0 {
		return own, true
	}
	return any, any != 0
}

// Untold tells whether a program is known not to have been told an address under this
// name: its process is known, and nobody who was told was forgotten.
func (n *Name) Untold(who event.Owner, addr netip.Addr) bool {
	if who.PID == 0 || n.forgot {
		return false
	}
	_, told := n.Until(who, addr)
	return !told
}
