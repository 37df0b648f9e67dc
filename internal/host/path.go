// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
	"golang.org/x/sys/unix"
)

const (
	sysctlIPv6 = "/proc/sys/net/ipv6/"
	snmpPath   = "/proc/thread-self/net/snmp"
	snmp6Path  = "/proc/thread-self/net/snmp6"
)

// path answers what a namespace believes of the way to a peer.
func (h *Host) path(at Target, w event.Want) (event.Event, error) {
	if !w.To.IsValid() {
		return nil, errors.New("no destination to ask for")
	}
	answer := &event.Path{}
	err := h.inside(at, func() error {
		var err error
		if *answer, err = h.world.Way(w.To, w.From); err != nil {
			answer.Error = err.Error()
		}
		h.readPathSettings(answer, w.To)
		h.readPathCounters(answer, w.To)
		answer.Filters, err = h.world.Filters()
		if err != nil {
			answer.Filters = nil // not readable: told as unknown, by being absent
		}
		return nil
	})
	answer.Header, answer.Peer, answer.From = h.head(w), w.To, w.From
	return answer, err
}

// readPathSettings reads what bears on path MTU discovery. A setting that this
// kernel does not have, or not in this namespace, is left at zero.
func (h *Host) readPathSettings(p *event.Path, to netip.Addr) {
	p.MTUProbing = h.optional(sysctlIPv4 + "tcp_mtu_probing")
	p.BaseMSS = uint32(h.optional(sysctlIPv4 + "tcp_base_mss"))
	p.PerSecond = uint32(h.optional(sysctlIPv4 + "icmp_msgs_per_sec"))
	if to.Is6() {
		p.RateLimit = uint32(h.optional(sysctlIPv6 + "icmp/ratelimit"))
		p.Forwards = h.optional(sysctlIPv6+"conf/all/forwarding") != 0
		p.MinPMTU = minimumIPv6
		return
	}
	p.NoPMTUDisc = h.optional(sysctlIPv4 + "ip_no_pmtu_disc")
	p.MinPMTU = uint32(h.optional(sysctlIPv4 + "route/min_pmtu"))
	p.RateLimit = uint32(h.optional(sysctlIPv4 + "icmp_ratelimit"))
	p.RateMask = uint32(h.optional(sysctlIPv4 + "icmp_ratemask"))
	p.Forwards = h.optional(sysctlIPv4+"ip_forward") != 0
}

// minimumIPv6 is the MTU that every IPv6 link has (RFC 8200, section 5).
const minimumIPv6 = 1280

func (h *Host) optional(path string) int {
	n, err := h.sysctl(path)
	if err != nil {
		return 0
	}
	return max(n, 0)
}

func (h *Host) readPathCounters(p *event.Path, to netip.Addr) {
	netstat, err := h.world.ReadFile(netstatPath)
	if err == nil {
		p.OutOfWindow = counter(string(netstat), "TcpExt:", "OutOfWindowIcmps")
		p.LockDropped = counter(string(netstat), "TcpExt:", "LockDroppedIcmps")
	}
	if to.Is6() {
		if content, err := h.world.ReadFile(snmp6Path); err == nil {
			p.UnreachableIn = snmp6(string(content), "Icmp6InPktTooBigs")
		}
		return
	}
	if content, err := h.world.ReadFile(snmpPath); err == nil {
		p.UnreachableIn = counter(string(content), "Icmp:", "InDestUnreachs")
	}
}

// wayTo implements World.Way for the calling thread's namespace.
func wayTo(to, from netip.Addr) (event.Path, error) {
	to = to.Unmap().WithZone("")
	var p event.Path
	taken, err := lookup(to, nil, unix.RTM_F_LOOKUP_TABLE)
	if err != nil {
		return p, err
	}
	found, err := lookup(to, nil, unix.RTM_F_LOOKUP_TABLE|unix.RTM_F_FIB_MATCH)
	if err != nil {
		found = taken
	}
	p.Route, p.RouteLocked = found.event(linkName), found.mtuLocked
	if taken.first.index != 0 {
		p.Route.Gateway, p.Route.Iface = taken.first.gateway, linkName(taken.first.index)
	}
	if taken.expires > 0 && taken.mtu != 0 {
		const tick = time.Second / 100 // USER_HZ
		p.Learned, p.Expires = taken.mtu, time.Duration(taken.expires)*tick
	}
	p.Link = linkAt(taken.first.index)
	p.Under = underOf(p.Link)
	return p, nil
}
