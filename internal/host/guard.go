// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// maxGuardChains bounds how many chains are read: firewalld has some hundred.
const maxGuardChains = 512

// guards implements World.Guards for the calling thread's namespace: the base chains
// that drop packets for their state or for their way back, chains that they jump to
// included.
func guards() ([]event.Guard, error) {
	old, oldErr := oldGuards()
	conn, err := nftables.New()
	if err != nil {
		return old, fmt.Errorf("open nftables: %w", err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return old, fmt.Errorf("list chains: %w", err)
	}
	read := map[chainName]*chainRules{}
	for _, chain := range chains[:min(len(chains), maxGuardChains)] {
		rules, err := conn.GetRules(chain.Table, chain)
		if err != nil {
			return old, fmt.Errorf("list rules of %s %s: %w", chain.Table.Name, chain.Name, err)
		}
		read[nameOf(chain)] = digest(conn, chain, rules)
	}
	found := old
	for _, chain := range chains[:min(len(chains), maxGuardChains)] {
		if one, ok := guardOf(chain, read); ok && len(found) < event.GuardRows {
			found = append(found, one)
		}
	}
	return found, oldErr
}

type chainName struct {
	family nftables.TableFamily
	table  string
	chain  string
}

func nameOf(c *nftables.Chain) chainName { return chainName{c.Table.Family, c.Table.Name, c.Name} }

// chainRules is what matters of one chain's rules.
type chainRules struct {
	invalid, reverse, stateful, iptables bool
	// all tells that a rule drops whatever reaches it.
	all   bool
	jumps []jump
}

// jump leads to another chain: only packets of state invalid, or only strayed ones,
// where that is so.
type jump struct {
	to               string
	invalid, reverse bool
}

func digest(conn *nftables.Conn, chain *nftables.Chain, rules []*nftables.Rule) *chainRules {
	c := &chainRules{}
	reverse := false
	for _, rule := range rules {
		r := readRule(conn, chain.Table, rule.Exprs)
		c.iptables = c.iptables || r.iptables
		c.stateful = c.stateful || r.stateful
		c.all = c.all || dropsAll(rule.Exprs)
		c.invalid = c.invalid || r.invalid && r.drops || r.dropsInvalid
		c.reverse = c.reverse || r.reverse && r.drops
		reverse = reverse || r.reverse
		for _, to := range r.to {
			c.jumps = append(c.jumps, jump{to, r.invalid, r.reverse})
		}
	}
	// "let those through that came by the right way, drop the rest"
	c.reverse = c.reverse || reverse && c.all
	return c
}

// guardOf gives what a base chain drops, false for one that matters to nobody here.
func guardOf(chain *nftables.Chain, read map[chainName]*chainRules) (event.Guard, bool) {
	filter, ok := baseChain(chain)
	if !ok {
		return event.Guard{}, false
	}
	g := event.Guard{
		Family: filter.Family, Table: filter.Table, Chain: filter.Chain,
		Hook: filter.Hook, Priority: filter.Priority, Policy: filter.Policy,
	}
	follow(read, nameOf(chain), map[chainName]bool{}, &g)
	return g, g.Invalid || g.ReversePath || g.Policy && g.Stateful
}

// follow adds what a chain does, and the chains that it jumps to. A rule that only
// sends packets of state invalid to a chain which drops all drops them, too.
func follow(read map[chainName]*chainRules, name chainName, been map[chainName]bool, g *event.Guard) {
	c := read[name]
	if c == nil || been[name] {
		return
	}
	been[name] = true
	g.Invalid = g.Invalid || c.invalid
	g.ReversePath = g.ReversePath || c.reverse
	g.Stateful = g.Stateful || c.stateful
	g.IPTables = g.IPTables || c.iptables
	for _, j := range c.jumps {
		to := chainName{name.family, name.table, j.to}
		if next := read[to]; next != nil && next.all {
			g.Invalid = g.Invalid || j.invalid
			g.ReversePath = g.ReversePath || j.reverse
		}
		follow(read, to, been, g)
	}
}
