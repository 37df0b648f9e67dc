// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// attrNexthop is RTA_NH_ID (linux/rtnetlink.h, since 5.3).
const attrNexthop = 30

// route is an RTM_NEWROUTE as far as it is told. Interfaces are still indices.
type route struct {
	destination     netip.Prefix
	from            netip.Prefix
	source          netip.Addr
	family, tos     uint8
	protocol, scope uint8
	kind            uint8
	flags           uint32
	table, metric   uint32
	nexthop         uint32 // id of a nexthop object
	mtu, advmss     uint32
	mtuLocked       bool
	expires         int32 // ticks of a hundredth of a second, 0: never
	preference      uint8
	first           hop
	more            []hop // all hops of a multipath route, first too
}

type hop struct {
	gateway netip.Addr
	index   uint32
	weight  int
	flags   uint8
}

// isDefault looks at the header alone: a full table has a million routes of which
// one is wanted.
func isDefault(msg []byte) bool {
	return len(msg) >= unix.SizeofRtMsg && msg[1] == 0 && msg[7] == unix.RTN_UNICAST &&
		binary.NativeEndian.Uint32(msg[8:])&unix.RTM_F_CLONED == 0
}

// parseRoute reads an RTM_NEWROUTE (rtnetlink(7)).
func parseRoute(msg []byte) (route, bool) {
	if len(msg) < unix.SizeofRtMsg || msg[0] != unix.AF_INET && msg[0] != unix.AF_INET6 {
		return route{}, false
	}
	r := route{
		family: msg[0], tos: msg[3], table: uint32(msg[4]),
		protocol: msg[5], scope: msg[6], kind: msg[7],
		flags: binary.NativeEndian.Uint32(msg[8:]),
	}
	for kind, value := range attributes(msg[unix.SizeofRtMsg:]) {
		r.take(kind, value, msg[1], msg[2])
	}
	return r, true
}

func (r *route) take(kind uint16, value []byte, bits, fromBits uint8) {
	switch kind {
	case unix.RTA_DST:
		if bits > 0 {
			r.destination = prefix(value, bits)
		}
	case unix.RTA_SRC:
		r.from = prefix(value, fromBits)
	case unix.RTA_PREFSRC:
		r.source = address(value)
	case unix.RTA_TABLE:
		r.table = number(value)
	case unix.RTA_PRIORITY:
		r.metric = number(value)
	case attrNexthop:
		r.nexthop = number(value)
	case unix.RTA_METRICS:
		r.takeMetrics(value)
	case unix.RTA_CACHEINFO:
		if len(value) >= 12 {
			r.expires = int32(number(value[8:])) // struct rta_cacheinfo
		}
	case unix.RTA_PREF:
		if len(value) > 0 {
			r.preference = value[0]
		}
	case unix.RTA_MULTIPATH:
		r.takeHops(value)
	default:
		r.first.take(kind, value)
	}
}

func (h *hop) take(kind uint16, value []byte) {
	switch kind {
	case unix.RTA_OIF:
		h.index = number(value)
	case unix.RTA_GATEWAY:
		h.gateway = address(value)
	case unix.RTA_VIA: // a gateway of the other family, behind its family
		if len(value) > 2 {
			h.gateway = address(value[2:])
		}
	}
}

func (r *route) takeMetrics(metrics []byte) {
	for kind, value := range attributes(metrics) {
		switch kind {
		case unix.RTAX_MTU:
			r.mtu = number(value)
		case unix.RTAX_ADVMSS:
			r.advmss = number(value)
		case unix.RTAX_LOCK:
			r.mtuLocked = number(value)&(1<<unix.RTAX_MTU) != 0
		}
	}
}

// takeHops reads RTA_MULTIPATH: struct rtnexthop, attributes, and again.
func (r *route) takeHops(b []byte) {
	for len(b) >= unix.SizeofRtNexthop {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) {
			return
		}
		one := hop{flags: b[2], weight: int(b[3]) + 1, index: binary.NativeEndian.Uint32(b[4:])}
		for kind, value := range attributes(b[unix.SizeofRtNexthop:size]) {
			one.take(kind, value)
		}
		r.more = append(r.more, one)
		b = b[min(aligned(size), len(b)):]
	}
	if len(r.more) > 0 {
		r.first = r.more[0]
	}
}

// event gives the route as findings see it; name turns an index into a name.
func (r *route) event(name func(uint32) string) event.Route {
	return event.Route{
		Destination: r.destination,
		Gateway:     r.first.gateway,
		Iface:       name(r.first.index),
		Source:      r.source,
		Table:       r.table,
		Metric:      r.metric,
		MTU:         r.mtu,
		Scope:       scopes[r.scope],
		IPv6:        r.family == unix.AF_INET6,
		Text:        r.text(name),
	}
}

// defaults implements World.Defaults for the calling thread's namespace.
func defaults(name func(uint32) string) ([]event.Route, error) {
	found, err := defaultRoutes()
	if err != nil {
		return nil, err
	}
	var all []event.Route
	for i := range found {
		all = append(all, found[i].event(name))
	}
	return all, nil
}

// defaultRoutes gives those of every table, both families.
func defaultRoutes() ([]route, error) {
	var all []route
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		body := &nl.RtMsg{RtMsg: unix.RtMsg{Family: family}}
		found, err := dump(unix.RTM_GETROUTE, []nl.NetlinkRequestData{body}, func(msg []byte) (route, bool) {
			// A kernel without IPv6 answers for all families that it has.
			if !isDefault(msg) || msg[0] != family {
				return route{}, false
			}
			return parseRoute(msg)
		})
		if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}
