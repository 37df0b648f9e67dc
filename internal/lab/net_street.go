// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"
)

// The addresses of a street of names. The world's servers are at the far end of the
// client's cable: resolvers, the zone's own server, and where the services live.
const (
	streetClient  = "10.63.0.2"
	streetClient6 = "fd63::2"
	streetZone    = "10.63.0.53"
	streetFirst   = "10.63.0.61"
	streetSecond  = "10.63.0.62"
	streetFirst6  = "fd63::61"
	streetOld     = "10.63.1.7"
	streetNew     = "10.63.2.8"
	streetOld6    = "fd63:1::7"
	streetNew6    = "fd63:2::8"
)

// street is a client and the world behind one cable.
type street struct {
	net           *network
	client, world *space
}

// buildStreet connects a client to a world that has all of the street's addresses, and
// one more for each of extra.
func buildStreet(n *network, extra ...string) street {
	s := street{net: n, client: n.space("client"), world: n.space("world")}
	addrs := []string{"10.63.0.1/24", "fd63::1/64"}
	for _, addr := range append([]string{
		streetZone, streetFirst, streetSecond, streetFirst6, streetOld, streetNew, streetOld6, streetNew6,
	}, extra...) {
		addrs = append(addrs, host(addr))
	}
	n.cable(
		port{s.client, "eth0", []string{streetClient + "/24", streetClient6 + "/64"}},
		port{s.world, "eth0", addrs})
	n.route(s.client, "10.63.0.0/16", "10.63.0.1", 0)
	n.route(s.client, "fd63::/16", "fd63::1", 0)
	return s
}

// host gives the prefix of one address alone.
func host(addr string) string {
	return fmt.Sprintf("%s/%d", addr, netip.MustParseAddr(addr).BitLen())
}
