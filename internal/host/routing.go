// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const confAll = "/proc/sys/net/ipv4/conf/all/"

// routing answers how a namespace checks and sends.
func (h *Host) routing(at Target, w event.Want) (event.Event, error) {
	answer := &event.Routing{}
	err := h.inside(at, func() error { return h.readRouting(answer) })
	answer.Header = h.head(w)
	return answer, err
}

func (h *Host) readRouting(answer *event.Routing) error {
	var err error
	if answer.Interfaces, err = h.world.Links(); err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	if err := h.combine(answer); err != nil {
		return err
	}
	names := make(map[uint32]string, len(answer.Interfaces))
	for _, link := range answer.Interfaces {
		names[link.Index] = link.Name
	}
	answer.Defaults, err = h.world.Defaults(func(index uint32) string { return names[index] })
	if err != nil {
		return fmt.Errorf("list default routes: %w", err)
	}
	if answer.Rules, err = h.world.Rules(); err != nil {
		return fmt.Errorf("list policy rules: %w", err)
	}
	return nil
}

// combine joins each interface's settings with conf/all as the kernel does: the
// stricter number for rp_filter (IN_DEV_RPFILTER takes the maximum), either one for
// the switches (IN_DEV_ORCONF).
func (h *Host) combine(answer *event.Routing) error {
	var err error
	if answer.RPFilterAll, err = h.sysctl(confAll + "rp_filter"); err != nil {
		return err
	}
	var local, mark, loopback int
	for name, value := range map[string]*int{"accept_local": &local, "src_valid_mark": &mark, "route_localnet": &loopback} {
		if *value, err = h.sysctl(confAll + name); err != nil {
			return err
		}
	}
	for i := range answer.Interfaces {
		link := &answer.Interfaces[i]
		link.Effective = max(answer.RPFilterAll, link.RPFilter)
		link.AcceptLocal = link.AcceptLocal || local != 0
		link.SrcValidMark = link.SrcValidMark || mark != 0
		link.RouteLocal = link.RouteLocal || loopback != 0
	}
	return nil
}

// sysctl reads a setting that is one number.
func (h *Host) sysctl(path string) (int, error) {
	content, err := h.world.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	return n, nil
}

// routeBack answers by which route a namespace would send.
func (h *Host) routeBack(at Target, w event.Want) (event.Event, error) {
	if !w.To.IsValid() {
		return nil, errors.New("no destination to ask for")
	}
	answer := &event.RouteBack{}
	err := h.inside(at, func() error {
		*answer = h.world.RouteBack(w.To, w.From)
		return nil
	})
	answer.Header = h.head(w)
	return answer, err
}

// routeBack implements World.RouteBack for the calling thread's namespace.
//
// The kernel refuses to look up an IPv4 route from an address that is not its own,
// as a router must ask. Then the question is put as for a packet to be forwarded,
// come in by the loopback device: that is how the reverse-path check itself asks
// (__fib_validate_source sets flowi4_iif to it), so that rules for the source apply.
// Where that is refused too (forwarding off, a strict check on lo), the source is
// left out.
func routeBack(to, from netip.Addr) event.RouteBack {
	answer := event.RouteBack{To: to, From: from}
	to, from = to.Unmap().WithZone(""), from.Unmap().WithZone("")
	found, fromAny, err := routeFrom(to, from)
	if err != nil {
		answer.Error = err.Error()
		return answer
	}
	answer.Found, answer.Route, answer.FromAny = true, found, fromAny
	return answer
}

func routeFrom(to, from netip.Addr) (found event.Route, fromAny bool, err error) {
	if !from.IsValid() || from.IsUnspecified() || from.Is4() != to.Is4() {
		found, err = matchRoute(to, nil)
		return found, false, err
	}
	found, err = matchRoute(to, sourceOf(from))
	if err == nil || to.Is6() || isLocal(from) {
		return found, false, err
	}
	forwarded := append(sourceOf(from), nl.NewRtAttr(unix.RTA_IIF, nl.Uint32Attr(loopbackIndex)))
	if found, err := matchRoute(to, forwarded); err == nil {
		return found, false, nil
	}
	found, err = matchRoute(to, nil)
	return found, true, err
}

// isLocal tells whether an address is one of the namespace's own.
func isLocal(addr netip.Addr) bool {
	found, err := lookup(addr, nil, 0)
	return err == nil && found.kind == unix.RTN_LOCAL
}

const loopbackIndex = 1 // in every namespace (loopback_net_init)

func sourceOf(from netip.Addr) []nl.NetlinkRequestData {
	return []nl.NetlinkRequestData{nl.NewRtAttr(unix.RTA_SRC, from.AsSlice())}
}

// matchRoute asks for the entry of the table that the lookup matches, with its
// prefix and metric. Where there is none to give (a broadcast, a local address, a
// kernel before 4.13) the lookup's own result has to do. Of several next hops the
// plain lookup tells the one that is taken.
func matchRoute(to netip.Addr, more []nl.NetlinkRequestData) (event.Route, error) {
	taken, err := lookup(to, more, unix.RTM_F_LOOKUP_TABLE)
	if err != nil {
		return event.Route{}, err
	}
	found, err := lookup(to, more, unix.RTM_F_LOOKUP_TABLE|unix.RTM_F_FIB_MATCH)
	if err != nil {
		found = taken
	}
	answer := found.event(linkName)
	if len(found.more) > 1 {
		answer.Gateway, answer.Iface = taken.first.gateway, linkName(taken.first.index)
	}
	if !answer.Source.IsValid() {
		answer.Source = taken.source
	}
	return answer, nil
}

func lookup(to netip.Addr, more []nl.NetlinkRequestData, flags uint32) (route, error) {
	body := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET, Dst_len: uint8(to.BitLen()), Flags: flags}}
	if to.Is6() {
		body.Family = unix.AF_INET6
	}
	if len(more) > 0 {
		body.Src_len = body.Dst_len
	}
	question := []nl.NetlinkRequestData{body, nl.NewRtAttr(unix.RTA_DST, to.AsSlice())}
	answer, err := ask(unix.RTM_GETROUTE, append(question, more...)...)
	if err != nil {
		return route{}, err
	}
	found, ok := parseRoute(answer)
	if !ok {
		return route{}, errors.New("the kernel's answer is no route")
	}
	return found, nil
}
