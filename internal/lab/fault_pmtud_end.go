// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	causeIgnored  = finding.Cause("icmp-ignored")
	causeBogusMTU = finding.Cause("icmp-bogus-mtu")
)

// The promises for datagrams that go on as before: nothing but the errors shows it, and
// programs that find the size by themselves get some of those, too.
const (
	stubbornBudget = 3 * time.Second
	stubbornSure   = 6 * time.Second
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
	deaf := locked
	deaf.Name = "pmtud-ignored-ipv6"
	deaf.Summary = "a program whose socket passes over ICMP errors (IPV6_PMTUDISC_INTERFACE)"
	deaf.build = deafSocket
	heedless := locked
	heedless.Name = "pmtud-ignored-udp"
	heedless.Summary = "a program sends datagrams that are too big, whatever routers say (IP_PMTUDISC_PROBE)"
	heedless.build = heedlessDatagrams(false)
	heedless.budget, heedless.sure = stubbornBudget, stubbornSure
	heedless6 := heedless
	heedless6.Name = "pmtud-ignored-udp-ipv6"
	heedless6.Summary = "the same over IPv6"
	heedless6.build = heedlessDatagrams(true)
	bogus6 := bogus
	bogus6.Name = "pmtud-bogus-ipv6"
	bogus6.Summary = "a router's ICMPv6 errors tell an MTU that the packet they quote has"
	bogus6.build = bogusRouter(true, wideMTU)
	return []Scenario{locked, deaf, off, heedless, heedless6, bogus, bogus6}
}

// lockedRoute has the client's route to the server promise 1500 bytes whatever
// routers say.
// IPv6 obeys even so.
func lockedRoute(n *network) stage {
	w := buildWay(n, false)
	w.narrow(n, narrowMTU)
	n.lock(w.client, &netlink.Route{Gw: net.ParseIP("10.63.1.1")})
	return w.stubbornUpload(n, forbidFragments)
}

// deafSocket is a program that does not want to hear of path MTUs. A locked route is no
// way to that here: discovery is not optional in IPv6.
func deafSocket(n *network) stage {
	w := buildWay(n, true)
	w.narrow(n, narrowMTU)
	return w.stubbornUpload(n, closeEars)
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
	return w.stubbornUpload(n, forbidFragments)
}

func heedlessDatagrams(six bool) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		w.narrow(n, narrowMTU)
		var heed atomic.Bool
		tooLarge := func() (uint64, error) { return w.router.tooLarge(six) }
		return stage{
			traffic: together(n.echo(w.server, w.web()), prober(w, 1450, 0, &heed), counting(tooLarge)),
			proof:   w.proofTooLarge(tooLarge),
			obey:    func() { heed.Store(true) },
			judge:   judgeSizes(narrowMTU),
			heals:   true,
		}
	}
}

// stubbornUpload is an upload by a program that sets options of its socket: one that
// insists on DF, as databases and proxies do, since the kernel would otherwise send
// without it on such a route.
func (w way) stubbornUpload(n *network, prepare func(net.Conn) error) stage {
	push := transfers{
		to: w.web(), large: order{up: uploadSize, down: smallSize},
		within: longPatience, pause: 0, prepare: prepare,
	}
	tooLarge := func() (uint64, error) { return w.router.tooLarge(w.six()) }
	return stage{
		traffic: together(n.serve(w.server, trade, w.web().String()), push.run(w.client, "lab-upload"),
			chatter(w.client, w.web()), counting(tooLarge)),
		proof: w.proofTooLarge(tooLarge),
		judge: judgeSizes(narrowMTU),
		heals: true,
	}
}

// proofTooLarge holds that packets did not fit.
func (w way) proofTooLarge(count func() (uint64, error)) func(reading) error {
	return func(reading) error {
		drops, err := count()
		if err != nil {
			return err
		}
		return atLeast("packets that were too big", drops, 1)
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
