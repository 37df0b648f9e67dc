// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// claim is one interface's right to a prefix: by a gateway, or directly.
type claim struct {
	prefix  netip.Prefix // invalid for the default route
	index   uint32
	gateway bool
	table   uint32
}

// claims collects which IPv4 prefixes the interfaces in strict mode have routes to.
type claims struct {
	strict map[uint32]bool
	// first holds the interface that was first seen with a prefix, contested all
	// interfaces of prefixes that have several.
	first     map[netip.Prefix]claim
	contested map[netip.Prefix][]claim
	// sole are some prefixes that only one interface has, by interface.
	sole map[uint32][]claim
}

// soleClaims bounds how many uncontested prefixes of an interface are asked about.
const soleClaims = 8

func newClaims(s *Survey) *claims {
	c := &claims{strict: map[uint32]bool{}, first: map[netip.Prefix]claim{}, contested: map[netip.Prefix][]claim{}, sole: map[uint32][]claim{}}
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Running && d.Effective == 1 && d.Type != "loopback" {
			c.strict[d.Index] = true
		}
	}
	return c
}

// add notes a route. Nothing is kept where no interface is strict.
func (c *claims) add(r *route) {
	if len(c.strict) == 0 || r.family != unix.AF_INET || r.table == unix.RT_TABLE_LOCAL || r.kind != unix.RTN_UNICAST {
		return
	}
	hops := r.more
	if len(hops) == 0 {
		hops = []hop{r.first}
	}
	for _, one := range hops {
		c.note(claim{prefix: r.destination, index: one.index, gateway: one.gateway.IsValid(), table: r.table})
	}
}

func (c *claims) note(one claim) {
	first, known := c.first[one.prefix]
	switch {
	case !known:
		c.first[one.prefix] = one
	case first.index != one.index:
		if c.contested[one.prefix] == nil {
			c.contested[one.prefix] = []claim{first}
		}
		c.contested[one.prefix] = append(c.contested[one.prefix], one)
	}
	if c.strict[one.index] && len(c.sole[one.index]) < soleClaims {
		c.sole[one.index] = append(c.sole[one.index], one)
	}
}

// surveyRoutes reads every table once, both families.
func (s *Survey) surveyRoutes() (*claims, error) {
	names := make(map[uint32]string, len(s.Devices))
	for i := range s.Devices {
		names[s.Devices[i].Index] = s.Devices[i].Name
	}
	name := func(index uint32) string { return names[index] }
	c := newClaims(s)
	s.Routes.Users = map[uint32]int{}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		body := &nl.RtMsg{RtMsg: unix.RtMsg{Family: family}}
		// Nothing is gathered by dump: each route is looked at and forgotten. A dump
		// that was interrupted begins again, so that counts begin again with it.
		before := s.Routes.Count
		_, err := dump(unix.RTM_GETROUTE, []nl.NetlinkRequestData{body}, func(msg []byte) (struct{}, bool) {
			if r, ok := parseRoute(msg); ok && r.family == family {
				s.Routes.take(&r, name)
				c.add(&r)
			}
			return struct{}{}, false
		})
		if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
			s.Routes.Count = before
			return c, err
		}
	}
	return c, nil
}

// take sums up one route, or one learned exception to a route.
func (all *Routes) take(r *route, name func(uint32) string) {
	if r.flags&unix.RTM_F_CLONED != 0 {
		all.learn(r)
		return
	}
	if r.table == unix.RT_TABLE_LOCAL || r.kind != unix.RTN_UNICAST {
		return
	}
	all.Count++
	all.use(r)
	if !r.destination.IsValid() {
		all.Defaults = append(all.Defaults, r.event(name))
	}
	if r.mtu != 0 && len(all.Sized) < sizedRoutes {
		all.Sized = append(all.Sized, SizedRoute{Route: r.event(name), Index: r.first.index, Locked: r.mtuLocked})
	}
}

func (all *Routes) use(r *route) {
	if len(r.more) == 0 {
		all.Users[r.first.index]++
	}
	for _, one := range r.more {
		all.Users[one.index]++
	}
}

// learn notes what a dump tells of the kernel's exceptions (fib_dump_info_fnhe).
func (all *Routes) learn(r *route) {
	if r.mtu == 0 || !r.destination.IsValid() {
		return
	}
	all.LearnedCount++
	if len(all.Learned) < learnedPaths {
		const tick = time.Second / 100 // USER_HZ
		all.Learned = append(all.Learned, Learned{
			Peer: r.destination.Addr(), MTU: r.mtu, Expires: max(0, time.Duration(r.expires)*tick),
		})
	}
}
