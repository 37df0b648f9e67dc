// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import "fmt"

// The duo's addresses.
const (
	duoClient  = "10.62.0.2"
	duoServer  = "10.62.0.1"
	duoClient6 = "fd62::2"
	duoServer6 = "fd62::1"
)

// duo is a client and a server on one wire.
type duo struct {
	client, server         *space
	clientPort, serverPort port
}

// buildDuo connects a client to a server that has extra addresses beside its
// first: 10.62.0.11, 10.62.0.12 and on.
func buildDuo(n *network, extra int) duo {
	client, server := n.space("client"), n.space("server")
	addrs := []string{duoServer + "/24", duoServer6 + "/64"}
	for i := range extra {
		addrs = append(addrs, duoExtra(i)+"/24")
	}
	d := duo{client: client, server: server}
	d.clientPort = port{client, "eth0", []string{duoClient + "/24", duoClient6 + "/64"}}
	d.serverPort = port{server, "eth0", addrs}
	n.cable(d.clientPort, d.serverPort)
	return d
}

// duoExtra gives the server's extra address number i.
func duoExtra(i int) string { return fmt.Sprintf("10.62.0.%d", 11+i) }

// ports narrows the client's ephemeral range to size ports and sets tcp_tw_reuse.
func (d duo) ports(n *network, size int, reuse string) {
	const low = 20000
	n.sysctl(d.client, fmt.Sprintf("%d %d", low, low+size-1), "ipv4", "ip_local_port_range")
	n.sysctl(d.client, reuse, "ipv4", "tcp_tw_reuse")
	n.sysctl(d.client, "1", "ipv4", "tcp_timestamps")
}
