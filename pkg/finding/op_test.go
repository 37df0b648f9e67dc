// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"net/netip"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func TestOpsRenderAsTheCommandThatAPersonWouldType(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	for want, op := range map[string]finding.Op{
		"sysctl -w net.ipv4.conf.eth0/100.rp_filter=2": finding.Sysctl{
			Key: finding.SysctlKey("net", "ipv4", "conf", "eth0.100", "rp_filter"), Value: "2"},
		"sysctl -w 'net.ipv4.ip_local_port_range=1024 65535'": finding.Sysctl{Key: "net.ipv4.ip_local_port_range", Value: "1024 65535"},
		"ip route add 10.1.0.0/16 via 10.0.0.1 dev eth0 src 10.0.0.9 table 100 metric 50 mtu 1400 advmss 1360 onlink": finding.RouteOp{
			Verb: "add", Destination: prefix("10.1.0.0/16"), Gateway: addr("10.0.0.1"), Dev: "eth0",
			Source: addr("10.0.0.9"), Table: 100, Metric: 50, MTU: 1400, AdvMSS: 1360, OnLink: true},
		"ip route replace default via 10.0.0.1 dev eth1 mtu lock 1400": finding.RouteOp{
			Verb: "replace", Gateway: addr("10.0.0.1"), Dev: "eth1", MTU: 1400, MTULock: true},
		"ip route replace default via 10.0.0.1 dev eth1":      finding.RouteOp{Verb: "replace", Gateway: addr("10.0.0.1"), Dev: "eth1"},
		"ip -6 route add default dev tun0":                    finding.RouteOp{Verb: "add", Dev: "tun0", IPv6: true},
		"ip -6 route del default via fe80::1 dev eth0":        finding.RouteOp{Verb: "del", Gateway: addr("fe80::1"), Dev: "eth0"},
		"ip -6 route add 2001:db8::/64 dev eth0":              finding.RouteOp{Verb: "add", Destination: prefix("2001:db8::/64"), Dev: "eth0"},
		"ip route add 10.1.0.0/16 via inet6 fe80::1 dev eth0": finding.RouteOp{Verb: "add", Destination: prefix("10.1.0.0/16"), Gateway: addr("fe80::1"), Dev: "eth0"},
		"ip route add 10.1.0.0/16 dev 'a b'":                  finding.RouteOp{Verb: "add", Destination: prefix("10.1.2.3/16"), Dev: "a b"},
		"ip route prepend default via 10.0.0.1 dev eth1 proto dhcp metric 100": finding.RouteOp{
			Verb: "prepend", Gateway: addr("10.0.0.1"), Dev: "eth1", Metric: 100, Protocol: "dhcp"},
		"ip route replace default metric 100 nexthop via 10.0.0.1 dev eth0 weight 3 nexthop via inet6 fe80::1 dev 'a b' weight 1 onlink": finding.RouteOp{
			Verb: "replace", Metric: 100, Hops: []finding.Hop{
				{Gateway: addr("10.0.0.1"), Dev: "eth0", Weight: 3}, {Gateway: addr("fe80::1"), Dev: "a b", Weight: 1, OnLink: true}}},
		"ip -6 route add default nexthop via fe80::1 dev eth0 weight 1 nexthop via fe80::2 dev eth1 weight 1": finding.RouteOp{
			Verb: "add", Hops: []finding.Hop{{Gateway: addr("fe80::1"), Dev: "eth0", Weight: 1}, {Gateway: addr("fe80::2"), Dev: "eth1", Weight: 1}}},
		"ip rule add from 10.0.0.9/32 table 100 priority 7": finding.RuleOp{Verb: "add", From: prefix("10.0.0.9/32"), Table: 100, Priority: 7},
		"ip -6 rule del from 2001:db8::/64 table 100":       finding.RuleOp{Verb: "del", From: prefix("2001:db8::/64"), Table: 100},
		"ip rule add from all table 100":                    finding.RuleOp{Verb: "add", Table: 100},
		"ip link set dev eth0 mtu 1400":                     finding.LinkOp{Dev: "eth0", MTU: 1400},
		"nft 'add table inet t'":                            finding.NftOp{Command: "add table inet t"},
	} {
		if got := op.Shell(); got != want {
			t.Errorf("%#v:\n got %s\nwant %s", op, got, want)
		}
	}
}
