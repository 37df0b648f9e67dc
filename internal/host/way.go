// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// uplinks implements World.Uplinks for the calling thread's namespace. It reads least
// first: the sockets whose SYN waits, then, where there are any, the default routes,
// then, where some of those are rivals, all other sockets.
func uplinks(answer *event.Uplinks, all, routes bool) (some bool, err error) {
	var silent []handshake
	err = sockets(1<<stateSynSent, func(one handshake) bool {
		if one.resent > 0 {
			silent = append(silent, one)
		}
		return len(silent) < event.UplinkHandshakes
	})
	some = len(silent) > 0
	if err != nil || !some && !all || !routes {
		return some, err
	}
	ways, err := rivals()
	if err != nil || len(ways) == 0 {
		return some, err
	}
	t := wayTally{ways: ways, answer: answer, heard: map[event.Handshake]int{}}
	for _, one := range silent {
		t.take(one)
	}
	if len(answer.Handshakes) == 0 && !all {
		return some, nil
	}
	if err := sockets(statesAnswered, t.take); err != nil {
		return some, err
	}
	answer.Ways = withNeighbours(ways)
	return some, nil
}

// rivals gives the next hops of default routes that share their rank with another: of
// routes that are equal, or of one that has several.
func rivals() ([]event.Way, error) {
	found, err := defaultRoutes()
	if err != nil {
		return nil, err
	}
	type rank struct {
		family        uint8
		table, metric uint32
	}
	names, hops := map[uint32]string{}, map[rank][]event.Way{}
	name := func(index uint32) string {
		if _, ok := names[index]; !ok {
			names[index] = linkName(index)
		}
		return names[index]
	}
	for i := range found {
		r := &found[i]
		key := rank{r.family, r.table, r.metric}
		hops[key] = append(hops[key], waysOf(r, name)...)
	}
	var all []event.Way
	for _, ways := range hops {
		if len(ways) > 1 {
			all = append(all, ways...)
		}
	}
	slices.SortStableFunc(all, func(a, b event.Way) int { // of one rank as the kernel tries them
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Metric, b.Metric), cmp.Compare(versionOf(a), versionOf(b)))
	})
	return all[:min(len(all), event.UplinkWays)], nil
}

func versionOf(w event.Way) int {
	if w.IPv6 {
		return 6
	}
	return 4
}

func waysOf(r *route, name func(uint32) string) []event.Way {
	hops := r.more
	if len(hops) == 0 {
		hops = []hop{r.first}
	}
	var ways []event.Way
	for _, one := range hops {
		if one.flags&(unix.RTNH_F_DEAD|unix.RTNH_F_LINKDOWN) != 0 {
			continue // the kernel knows, and sends nothing there
		}
		ways = append(ways, event.Way{
			Gateway: one.gateway, Iface: name(one.index), Table: r.table, Metric: r.metric,
			IPv6: r.family == unix.AF_INET6, Shared: len(r.more) > 1, Text: r.text(name),
		})
	}
	return ways
}

// wayTally sorts handshakes by the way that they went.
type wayTally struct {
	ways   []event.Way
	answer *event.Uplinks
	heard  map[event.Handshake]int // answered ones, by what they have in common
	seen   int
	// holders are the interfaces of this host's addresses, nil until they are asked for.
	holders map[netip.Addr]string
}

// tallied bounds the answered sockets whose way is asked for: a question costs the
// kernel some microseconds.
const tallied = 2048

func (t *wayTally) take(one handshake) bool {
	t.seen++
	if t.seen > tallied+event.UplinkHandshakes {
		t.answer.Untold++
		return true
	}
	way, ok := t.wayOf(one)
	if !ok {
		return true
	}
	told := event.Handshake{Local: one.local, Peer: one.peer, Way: way, Resent: one.resent}
	if one.state != stateSynSent {
		told = event.Handshake{Local: netip.AddrPortFrom(one.local.Addr(), 0), Peer: one.peer, Way: way, Answered: true}
		if i, known := t.heard[told]; known {
			t.answer.Handshakes[i].Ago = min(t.answer.Handshakes[i].Ago, one.heard)
			return true
		}
		if len(t.heard) >= event.UplinkHandshakes {
			t.answer.Untold++
			return true
		}
		t.heard[told] = len(t.answer.Handshakes)
		told.Ago = one.heard
	}
	t.answer.Handshakes = append(t.answer.Handshakes, told)
	return true
}

// wayOf asks the kernel which way a connection's packets take. One that a narrower
// route or another table's carries has none.
//
// IPv4 looks its route up once more when the port is chosen (ip_route_newports), so that
// of several hops the answer is the socket's own; IPv6 does so without a port, and mostly
// without a source (tcp_v6_connect). Of equal routes the kernel takes another by what it
// knows of the gateways at the moment (fib_select_default). There the source tells, which
// was taken from the interface of the route.
func (t *wayTally) wayOf(one handshake) (int, bool) {
	peer := one.peer.Addr()
	if peer.IsLoopback() || peer.IsLinkLocalUnicast() {
		return 0, false
	}
	more := []nl.NetlinkRequestData{nl.NewRtAttr(unix.RTA_IP_PROTO, []byte{unix.IPPROTO_TCP}), portAttr(unix.RTA_DPORT, one.peer)}
	if peer.Is4() {
		more = append(append(more, sourceOf(one.local.Addr())...), portAttr(unix.RTA_SPORT, one.local))
	}
	for kind, value := range map[int]uint32{unix.RTA_OIF: one.bound, unix.RTA_MARK: one.mark} {
		if value != 0 {
			more = append(more, nl.NewRtAttr(kind, nl.Uint32Attr(value)))
		}
	}
	taken, err := lookup(peer, more, unix.RTM_F_LOOKUP_TABLE)
	if err != nil || !taken.first.gateway.IsValid() {
		return 0, false
	}
	matched, err := lookup(peer, more, unix.RTM_F_LOOKUP_TABLE|unix.RTM_F_FIB_MATCH)
	if err == nil && matched.destination.IsValid() {
		return 0, false
	}
	iface := linkName(taken.first.index)
	at := slices.IndexFunc(t.ways, func(w event.Way) bool {
		return w.Gateway == taken.first.gateway && w.Iface == iface && w.Table == taken.table
	})
	if at < 0 || t.ways[at].Shared && peer.Is4() {
		return at, at >= 0
	}
	if held, ok := t.byHolder(one.local.Addr(), taken.table); ok {
		at = held
	}
	return at, true
}

func portAttr(kind int, of netip.AddrPort) nl.NetlinkRequestData {
	return nl.NewRtAttr(kind, binary.BigEndian.AppendUint16(nil, of.Port()))
}

// byHolder finds the one way that leaves by the interface which has an address.
func (t *wayTally) byHolder(addr netip.Addr, table uint32) (int, bool) {
	if t.holders == nil {
		t.holders = map[netip.Addr]string{}
		held, _ := dump(unix.RTM_GETADDR, []nl.NetlinkRequestData{nl.NewIfInfomsg(unix.AF_UNSPEC)}, parseAddress)
		for _, one := range held {
			t.holders[one.prefix.Addr()] = linkName(one.index)
		}
	}
	iface, found := t.holders[addr], -1
	for i := range t.ways {
		if w := &t.ways[i]; w.Iface == iface && w.Table == table && w.IPv6 == addr.Is6() {
			if found >= 0 {
				return 0, false
			}
			found = i
		}
	}
	return found, found >= 0
}

// neighbourStates are the names of NUD_* (linux/neighbour.h).
var neighbourStates = map[uint16]string{
	unix.NUD_INCOMPLETE: "incomplete", unix.NUD_REACHABLE: "reachable", unix.NUD_STALE: "stale", unix.NUD_DELAY: "delay",
	unix.NUD_PROBE: "probe", unix.NUD_FAILED: "failed", unix.NUD_NOARP: "noarp", unix.NUD_PERMANENT: "permanent",
}

// withNeighbours fills in what the kernel knows of the gateways as neighbours; nothing
// where it does not tell.
func withNeighbours(ways []event.Way) []event.Way {
	const header = 12 // struct ndmsg
	_, _ = dump(unix.RTM_GETNEIGH, []nl.NetlinkRequestData{nl.NewIfInfomsg(unix.AF_UNSPEC)}, func(msg []byte) (struct{}, bool) {
		if len(msg) < header {
			return struct{}{}, false
		}
		index, state := binary.NativeEndian.Uint32(msg[4:]), binary.NativeEndian.Uint16(msg[8:])
		for kind, value := range attributes(msg[header:]) {
			for i := range ways {
				if kind == unix.NDA_DST && address(value) == ways[i].Gateway && linkName(index) == ways[i].Iface {
					ways[i].Neighbour = neighbourStates[state]
				}
			}
		}
		return struct{}{}, false
	})
	return ways
}
