// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// The way's addresses, of each family.
const (
	wayClient  = "10.63.1.2"
	wayServer  = "10.63.2.2"
	wayClient6 = "fd63:1::2"
	wayServer6 = "fd63:2::2"
)

// A link's usual MTU, and that of the narrow piece of a way: what a PPPoE line or a
// VPN leaves of it.
const (
	wideMTU   = 1500
	narrowMTU = 1400
)

// way is a client and a server with a router between them:
//
//	client ── router ── server
//
// Segments cross it one by one, as on a wire: offload would hand over packets of
// 64 kB, which no MTU stops.
type way struct {
	client, router, server *space
	// near and far are the router's ports, to the client and to the server;
	// clientPort and serverPort their other ends.
	near, far, clientPort, serverPort port
	// clientAddr and serverAddr are the ends' addresses in the family that is used.
	clientAddr, serverAddr netip.Addr
}

// buildWay makes a way with addresses of both families, six telling which is used.
func buildWay(n *network, six bool) way {
	w := way{client: n.space("client"), router: n.space("router"), server: n.space("server")}
	w.clientPort = port{w.client, "eth0", []string{wayClient + "/24", wayClient6 + "/64"}}
	w.near = port{w.router, "lan", []string{"10.63.1.1/24", "fd63:1::1/64"}}
	w.far = port{w.router, "wan", []string{"10.63.2.1/24", "fd63:2::1/64"}}
	w.serverPort = port{w.server, "eth0", []string{wayServer + "/24", wayServer6 + "/64"}}
	n.cable(w.clientPort, w.near)
	n.cable(w.far, w.serverPort)
	n.singly(w.clientPort, w.near, w.far, w.serverPort)
	n.forward(w.router)
	n.sysctl(w.router, "1", "ipv6", "conf", "all", "forwarding")
	n.route(w.client, "", "10.63.1.1", 0)
	n.route(w.server, "", "10.63.2.1", 0)
	n.route(w.client, "fd63:2::/64", "fd63:1::1", 0)
	n.route(w.server, "fd63:1::/64", "fd63:2::1", 0)
	n.learnNothing(w.client, w.router, w.server)
	w.clientAddr, w.serverAddr = netip.MustParseAddr(wayClient), netip.MustParseAddr(wayServer)
	if six {
		w.clientAddr, w.serverAddr = netip.MustParseAddr(wayClient6), netip.MustParseAddr(wayServer6)
	}
	return w
}

// learnNothing sets what TCP does about path MTUs to the kernel's defaults, and
// has no connection profit from what an earlier one met.
func (n *network) learnNothing(spaces ...*space) {
	for _, s := range spaces {
		n.sysctl(s, "0", "ipv4", "tcp_mtu_probing")
		n.sysctl(s, "0", "ipv4", "ip_no_pmtu_disc")
		n.sysctl(s, "1", "ipv4", "tcp_no_metrics_save")
		n.sysctl(s, "1", "ipv4", "tcp_sack")
		n.sysctl(s, "1", "ipv4", "tcp_timestamps")
	}
}

// web is the server's address with the lab's web port.
func (w way) web() netip.AddrPort { return netip.AddrPortFrom(w.serverAddr, webPort) }

// six tells which family is used.
func (w way) six() bool { return w.serverAddr.Is6() }

// narrow has less fit between router and server than the server knows: it would
// otherwise tell its clients so in the handshake (MSS).
func (w way) narrow(n *network, mtu int) { n.mtu(w.far, mtu) } //nolint:unparam // reads as what it is where it is called

// even has the server's end of the narrow link as small as the router's, as it is where
// all is in order, and the server tell its clients all the same that it takes 1500: so
// that they still have to learn.
func (w way) even(n *network, mtu int) { //nolint:unparam // reads as what it is where it is called
	n.mtu(w.serverPort, mtu)
	w.claim(n)
}

// claim has the server tell a segment size in its handshakes that its own device does not
// carry, as the one in front of such a host would not know better.
func (w way) claim(n *network) {
	for to, via := range map[string]string{"10.63.1.0/24": "10.63.2.1", "fd63:1::/64": "fd63:2::1"} {
		if n.err != nil {
			return
		}
		destination, err := netlink.ParseIPNet(to)
		n.fail(err)
		const advertised = 1440
		n.fail(w.server.handle.RouteReplace(&netlink.Route{Dst: destination, Gw: net.ParseIP(via), AdvMSS: advertised}))
	}
}
