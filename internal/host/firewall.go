// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"

	"github.com/trapbpf/trapbpf/pkg/event"
)

const sysctlNetfilter = "/proc/sys/net/netfilter/"

// firewall answers what of a namespace's packet filter may drop half connections and
// strayed packets, and what is tracked between two addresses. What cannot be read is
// told as not read: a firewall that is half known is better than none.
func (h *Host) firewall(at Target, w event.Want) (event.Event, error) {
	if !w.To.IsValid() || !w.From.IsValid() {
		return nil, errors.New("no pair of addresses to ask for")
	}
	answer := &event.Firewall{From: w.From, To: w.To}
	err := h.inside(at, func() error {
		h.readFirewall(answer)
		return nil
	})
	answer.Header = h.head(w)
	return answer, err
}

func (h *Host) readFirewall(f *event.Firewall) {
	var err error
	if f.Guards, err = h.world.Guards(); err != nil {
		f.Blind = err.Error()
	}
	f.Loose = h.optional(sysctlNetfilter + "nf_conntrack_tcp_loose")
	f.Liberal = h.optional(sysctlNetfilter + "nf_conntrack_tcp_be_liberal")
	f.Entries = uint64(h.optional(sysctlNetfilter + "nf_conntrack_count"))
	if f.Invalid, err = h.world.Invalids(); err != nil {
		f.Unread = true
	}
	rows, whole, err := h.world.Tracked(f.From.Unmap(), f.To.Unmap())
	f.Tracked = rows
	f.Unread = f.Unread || !whole || err != nil
}
