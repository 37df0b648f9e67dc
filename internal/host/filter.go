// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"net"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/trapbpf/trapbpf/pkg/event"
	"golang.org/x/sys/unix"
)

// maxChains bounds how many base chains are looked into. A host has a dozen; their
// rules are few, the thousands stand in chains that these jump to.
const maxChains = 64

// filters implements World.Filters for the calling thread's namespace: the base
// chains that drop what no rule accepts, or in which a rule drops ICMP. Rules in
// chains that are jumped to are not followed: what is told is true, but need not be
// all. Rules of iptables-nft are nftables rules as well; those of the older iptables
// are not seen.
func filters() ([]event.Filter, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return nil, fmt.Errorf("list chains: %w", err)
	}
	var found []event.Filter
	for _, chain := range chains[:min(len(chains), maxChains)] {
		filter, ok := baseChain(chain)
		if !ok {
			continue
		}
		rules, err := conn.GetRules(chain.Table, chain)
		if err != nil {
			return nil, fmt.Errorf("list rules of %s %s: %w", chain.Table.Name, chain.Name, err)
		}
		for _, rule := range rules {
			filter.ICMP = filter.ICMP || dropsICMP(rule.Exprs)
			filter.Policy = filter.Policy || dropsAll(rule.Exprs)
		}
		if (filter.Policy || filter.ICMP) && len(found) < event.FilterRows {
			found = append(found, filter)
		}
	}
	return found, nil
}

// baseChain tells of a chain that the kernel itself enters.
func baseChain(chain *nftables.Chain) (event.Filter, bool) {
	if chain.Hooknum == nil {
		return event.Filter{}, false
	}
	family, ok := families[chain.Table.Family]
	if !ok {
		return event.Filter{}, false
	}
	filter := event.Filter{
		Family: family,
		Table:  chain.Table.Name,
		Chain:  chain.Name,
		Hook:   hooks[*chain.Hooknum],
		Policy: chain.Policy != nil && *chain.Policy == nftables.ChainPolicyDrop,
	}
	if chain.Priority != nil {
		filter.Priority = int32(*chain.Priority)
	}
	return filter, filter.Hook != ""
}

var families = map[nftables.TableFamily]string{
	nftables.TableFamilyINet: "inet",
	nftables.TableFamilyIPv4: "ip",
	nftables.TableFamilyIPv6: "ip6",
}

// hooks are NF_INET_* (linux/netfilter.h).
var hooks = map[nftables.ChainHook]string{
	unix.NF_INET_PRE_ROUTING:  "prerouting",
	unix.NF_INET_LOCAL_IN:     "input",
	unix.NF_INET_FORWARD:      "forward",
	unix.NF_INET_LOCAL_OUT:    "output",
	unix.NF_INET_POST_ROUTING: "postrouting",
}

// drops tells whether a rule ends in a drop or a reject.
func drops(exprs []expr.Any) bool {
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Verdict:
			if e.Kind == expr.VerdictDrop {
				return true
			}
		case *expr.Reject:
			return true
		}
	}
	return false
}

// dropsAll tells whether a rule drops whatever reaches it.
func dropsAll(exprs []expr.Any) bool {
	for _, e := range exprs {
		switch e.(type) {
		case *expr.Verdict, *expr.Reject, *expr.Counter, *expr.Log:
		default:
			return false
		}
	}
	return drops(exprs)
}

// dropsICMP tells whether a rule compares the protocol with ICMP's and drops.
func dropsICMP(exprs []expr.Any) bool {
	if !drops(exprs) {
		return false
	}
	protocol := false
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Meta:
			protocol = e.Key == expr.MetaKeyL4PROTO
		case *expr.Payload:
			const inIPv4, inIPv6 = 9, 6 // where the protocol stands in the header
			protocol = e.Base == expr.PayloadBaseNetworkHeader && e.Len == 1 &&
				(e.Offset == inIPv4 || e.Offset == inIPv6)
		case *expr.Cmp:
			if protocol && isICMP(e) {
				return true
			}
			protocol = false
		}
	}
	return false
}

func isICMP(c *expr.Cmp) bool {
	return c.Op == expr.CmpOpEq && len(c.Data) > 0 && (c.Data[0] == unix.IPPROTO_ICMP || c.Data[0] == unix.IPPROTO_ICMPV6)
}

// linkIndex gives an interface's index in the calling thread's namespace.
func linkIndex(name string) (uint32, error) {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	return uint32(link.Index), nil
}
