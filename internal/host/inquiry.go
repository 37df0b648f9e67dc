// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"net/netip"

	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Inquiry is a question to the kernel's routing tables.
type Inquiry struct {
	To netip.Addr
	// From is the source address, invalid for any.
	From netip.Addr
	// In is the interface by which a packet would have come in, 0 for one of this
	// host's own; Out is the one it must leave by, such as a VRF's, 0 for any.
	In, Out uint32
	Mark    uint32
}

// Passage is what the kernel would do with a packet.
type Passage struct {
	// Taken is the route with the next hop that is really taken, Entry the table's entry
	// that matched (RTM_F_FIB_MATCH), Kind "unicast", "local" and the like.
	Taken, Entry event.Route
	Kind         string
	// Error is the kernel's answer where it would do nothing.
	Error string
}

// Inquire asks in the calling thread's namespace.
func Inquire(q Inquiry) Passage {
	var more []nl.NetlinkRequestData
	if q.From.IsValid() {
		more = append(more, sourceOf(q.From)...)
	}
	for kind, value := range map[int]uint32{unix.RTA_IIF: q.In, unix.RTA_OIF: q.Out, unix.RTA_MARK: q.Mark} {
		if value != 0 {
			more = append(more, nl.NewRtAttr(kind, nl.Uint32Attr(value)))
		}
	}
	taken, err := lookup(q.To, more, unix.RTM_F_LOOKUP_TABLE)
	if err != nil {
		return Passage{Error: refusal(err)}
	}
	p := Passage{Taken: taken.event(linkName), Kind: "unicast"}
	if name, ok := routeKinds[taken.kind]; ok {
		p.Kind = name
	}
	p.Entry = p.Taken
	if entry, err := lookup(q.To, more, unix.RTM_F_LOOKUP_TABLE|unix.RTM_F_FIB_MATCH); err == nil {
		p.Entry = entry.event(linkName)
	}
	return p
}
