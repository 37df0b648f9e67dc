// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"net/netip"
	"time"
)

// staleTwins are programs that look as if they dialled an old address.
func staleTwins(of string, views []string) []Scenario {
	twin := Scenario{TwinOf: of, Views: views}
	rotating, cdn, pool, eyeballs, apart := twin, twin, twin, twin, twin
	rotating.Name = "dns-rotating"
	rotating.Summary = "round robin over four addresses: whoever resolves gets them in another order"
	rotating.build = roundRobin
	cdn.Name = "dns-cdn"
	cdn.Summary = "a CDN: an alias, and one address of many in each answer, for a second"
	cdn.build = contentNetwork
	cdn.window = 12 * time.Second
	pool.Name = "dns-pool"
	pool.Summary = "a connection that was opened before the name moved stays open, as pools do"
	pool.build = longLived
	eyeballs.Name = "dns-happy-eyeballs"
	eyeballs.Summary = "a client tries the IPv6 address, which nobody serves, then the IPv4 one"
	eyeballs.build = happyEyeballs
	apart.Name = "dns-shared-address"
	apart.Summary = "a name moves, and another name keeps the address: who dials that means the other"
	apart.build = sharedAddress
	return []Scenario{rotating, cdn, pool, eyeballs, apart}
}

// roundRobin has a service at four addresses, each answer in another order, and a
// program that keeps what it got for a while.
func roundRobin(n *network) stage {
	pool := []string{"10.63.1.11", "10.63.1.12", "10.63.1.13", "10.63.1.14"}
	s := buildStreet(n, pool...)
	z := newZone()
	z.turns = true
	z.set(service, 1, pool...)
	fresh, keeps := &app{resolver: stubOf(streetZone), service: service}, &app{resolver: stubOf(streetZone), service: service, keeps: true}
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone), n.serveAll(s.world, pool...),
			fresh.run(s.client, "lab-fresh", 5), keeps.run(s.client, "lab-keeps", 5)),
		proof: func(r reading) error { return atLeast("answered calls", r.OK, 60) },
	}
}

// contentNetwork gives each answer one of many addresses.
func contentNetwork(n *network) stage {
	edges := []string{"10.63.1.21", "10.63.1.22", "10.63.1.23", "10.63.1.24", "10.63.1.25"}
	s := buildStreet(n, edges...)
	z := newZone()
	z.alias(service, 60, "edge.cdn.test")
	z.set("edge.cdn.test", 1, edges[0])
	next := 0
	turn := every(700*time.Millisecond, func() {
		next++
		z.set("edge.cdn.test", 1, edges[next%len(edges)])
	})
	one, two := &app{resolver: stubOf(streetZone), service: service}, &app{resolver: stubOf(streetZone), service: service}
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone), n.serveAll(s.world, edges...), turn,
			one.run(s.client, "lab-one", 3), two.run(s.client, "lab-two", 1)),
		proof: func(r reading) error { return atLeast("answered calls", r.OK, 40) },
	}
}

// longLived keeps its connection over the move of its service; another program follows.
func longLived(n *network) stage {
	s := buildStreet(n)
	z := newZone()
	z.set(service, 1, streetOld)
	pool := &app{resolver: stubOf(streetZone), service: service, holds: true}
	follows := &app{resolver: stubOf(streetZone), service: service}
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone), n.serveAll(s.world, streetOld, streetNew),
			after(movedAfter, func() { z.set(service, 1, streetNew) }),
			pool.run(s.client, "lab-pool", 5), follows.run(s.client, "lab-other", 3)),
		proof: func(r reading) error { return atLeast("answered calls", r.OK, 60) },
	}
}

// happyEyeballs dials both addresses of a name, the first of which is dead (RFC 8305).
func happyEyeballs(n *network) stage {
	s := buildStreet(n)
	z := newZone()
	z.set(service, 1, streetNew, streetNew6)
	six := &app{resolver: stubOf(streetZone), service: service, wants: func(found []netip.Addr) netip.Addr { return found[len(found)-1] }}
	four := &app{resolver: stubOf(streetZone), service: service}
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone), n.serveAll(s.world, streetNew),
			six.run(s.client, "lab-eyes", 4), four.run(s.client, "lab-eyes", 4)),
		proof: func(r reading) error {
			if err := atLeast("refused calls", r.count("ECONNREFUSED"), 20); err != nil {
				return err
			}
			return atLeast("answered calls", r.OK, 20)
		},
	}
}

// sharedAddress has two names at one address, of which one moves.
func sharedAddress(n *network) stage {
	const stays = "static.shop.test"
	s := buildStreet(n)
	z := newZone()
	z.set(service, 1, streetOld)
	z.set(stays, 300, streetOld)
	moves := &app{resolver: stubOf(streetZone), service: service}
	keeps := &app{resolver: stubOf(streetZone), service: stays, keeps: true}
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone), n.serveAll(s.world, streetOld, streetNew),
			after(movedAfter, func() { z.set(service, 1, streetNew) }),
			moves.run(s.client, "lab-moves", 3), keeps.run(s.client, "lab-keeps", 5)),
		proof: func(r reading) error { return atLeast("answered calls", r.OK, 50) },
	}
}

// serveAll answers at the web port of each address.
func (n *network) serveAll(s *space, addrs ...string) job {
	var all []string
	for _, addr := range addrs {
		all = append(all, at(addr))
	}
	return n.serve(s, answer, all...)
}
