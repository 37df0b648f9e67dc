// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import "strconv"

// The diamond's addresses. Two routers stand between an edge and a server, so
// that the way there and the way back can differ.
const (
	diamondServer = "10.61.3.2"
	diamondEdge1  = "10.61.1.2" // the edge's address towards the first router
	diamondEdge2  = "10.61.2.2" // and towards the second
	diamondLAN    = "10.61.9.0/24"
	diamondInside = "10.61.9.2" // a host behind the edge, where there is one
)

// diamond is a multihomed edge that sends by its first link, and a server that
// answers by the second:
//
//	       ┌── r1 ──┐
//	edge ──┤        ├── server
//	       └── r2 ──┘
type diamond struct {
	edge, server *space
	// first and second are the edge's ports, second the one answers come in by;
	// far is the other end of the second.
	first, second, far port
}

// buildDiamond connects an edge, whose interfaces get the two names, to a server.
func buildDiamond(n *network, edgeRole, name1, name2 string) diamond {
	edge, r1, r2, server := n.space(edgeRole), n.space("r1"), n.space("r2"), n.space("server")
	d := diamond{edge: edge, server: server}
	d.first = port{edge, name1, []string{diamondEdge1 + "/24"}}
	d.second = port{edge, name2, []string{diamondEdge2 + "/24"}}
	d.far = port{r2, "r2-edge", []string{"10.61.2.1/24"}}
	n.cable(d.first, port{r1, "r1-edge", []string{"10.61.1.1/24"}})
	n.cable(d.second, d.far)
	n.cable(port{r1, "r1-s", []string{"10.61.3.1/24"}}, port{server, "s-r1", []string{diamondServer + "/24"}})
	n.cable(port{r2, "r2-s", []string{"10.61.4.1/24"}}, port{server, "s-r2", []string{"10.61.4.2/24"}})
	n.forward(r1)
	n.forward(r2)
	// Both uplinks have a default route, as on a multihomed host; the metric
	// makes the first one win.
	n.route(edge, "", "10.61.1.1", 100)
	n.route(edge, "", "10.61.2.1", 200)
	// The server answers by r2, which knows the edge's first network behind the
	// edge's second address.
	n.route(server, "", "10.61.4.1", 0)
	n.route(r2, "10.61.1.0/24", diamondEdge2, 0)
	return d
}

// addLAN puts a host behind the edge, which becomes a router.
func (d diamond) addLAN(n *network) *space {
	host := n.space("host")
	n.cable(port{d.edge, "lan0", []string{"10.61.9.1/24"}}, port{host, "eth0", []string{diamondInside + "/24"}})
	n.forward(d.edge)
	n.route(host, "", "10.61.9.1", 0)
	n.route(n.find("r1"), diamondLAN, diamondEdge1, 0)
	n.route(n.find("r2"), diamondLAN, diamondEdge2, 0)
	return host
}

// reversePath sets rp_filter for all interfaces and for each of the edge's two.
func (d diamond) reversePath(n *network, all, each int) {
	n.sysctl(d.edge, strconv.Itoa(all), "ipv4", "conf", "all", "rp_filter")
	n.sysctl(d.edge, strconv.Itoa(each), "ipv4", "conf", d.first.name, "rp_filter")
	n.sysctl(d.edge, strconv.Itoa(each), "ipv4", "conf", d.second.name, "rp_filter")
}
