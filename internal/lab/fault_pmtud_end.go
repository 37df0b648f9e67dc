// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	causeIgnored  = finding.Cause("icmp-ignored")
	causeBogusMTU = finding.Cause("icmp-bogus-mtu")
)

// pmtudEnd are errors that reach the client and do not help.
func pmtudEnd() []Scenario {
	locked := Scenario{
		Name: "pmtud-ignored", Summary: "the client's route has a locked MTU: it does not act on ICMP errors",
		Trap: finding.PMTUDFailure, Cause: causeIgnored,
		Views: []string{"client", viewAll}, budget: suspectBudget, sure: confirmBudget,
		build: lockedRoute,
	}
	off, bogus := locked, locked
	off.Name = "pmtud-no-discovery"
	off.Summary = "ip_no_pmtu_disc has the client pass over ICMP errors"
	off.build = noDiscovery
	bogus.Name = "pmtud-bogus"
	bogus.Summary = "a router's ICMP errors tell no MTU at all"
	bogus.Cause = causeBogusMTU
	bogus.budget, bogus.sure = dropBudget, 0
	bogus.build = bogusRouter(false, 0)
	bogus6 := bogus
	bogus6.Name = "pmtud-bogus-ipv6"
	bogus6.Summary = "a router's ICMPv6 errors tell an MTU that the packet they quote has"
	bogus6.build = bogusRouter(true, wideMTU)
	return []Scenario{locked, off, bogus, bogus6}
}

// lockedRoute has the client's route to the server promise 1500 bytes whatever
// routers say.
// IPv6 obeys even so.
func lockedRoute(n *network) stage {
	w := buildWay(n, false)
	w.narrow(n, narrowMTU)
	n.lock(w.client, &netlink.Route{Gw: net.ParseIP("10.63.1.1")})
	return w.stubbornUpload(n)
}

// lock replaces a route by one whose MTU is locked.
func (n *network) lock(s *space, route *netlink.Route) {
	if n.err != nil {
		return
	}
	route.MTU, route.MTULock = wideMTU, true
	if err := s.handle.RouteReplace(route); err != nil {
		n.fail(fmt.Errorf("lock a route's MTU: %w", err))
	}
}

func noDiscovery(n *network) stage {
	w := buildWay(n, false)
	w.narrow(n, narrowMTU)
	// 1 would treat the errors as if they told nothing, 2 throws them away (icmp_unreach).
	n.sysctl(w.client, "2", "ipv4", "ip_no_pmtu_disc")
	return w.stubbornUpload(n)
}

// stubbornUpload is an upload by a program that insists on DF, as databases and
// proxies do: the kernel would otherwise send without it on such a route.
func (w way) stubbornUpload(n *network) stage {
	push := transfers{
		to: w.web(), large: order{up: uploadSize, down: smallSize},
		within: longPatience, pause: 0, whole: true,
	}
	tooLarge := func() (uint64, error) { return w.router.tooLarge(false) }
	return stage{
		traffic: together(n.serve(w.server, trade, w.web().String()), push.run(w.client, "lab-upload"),
			chatter(w.client, w.web()), counting(tooLarge)),
		proof: func(reading) error {
			drops, err := tooLarge()
			if err != nil {
				return err
			}
			return atLeast("packets that were too big", drops, 1)
		},
		judge: judgeSizes(narrowMTU),
		heals: true,
	}
}

// bogusRouter swallows large packets and answers with errors of its own making.
func bogusRouter(six bool, mtu uint32) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		hole := w.swallow(n)
		s := w.upload(n)
		forge := func(ctx context.Context, _ *meter) error { return w.forge(ctx, mtu) }
		s.traffic = together(s.traffic, inside(w.router, "lab-forger", forge))
		s.proof, s.again = hole.proof, w.forget
		return s
	}
}
