// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// families and hookNames are written as nft(8) has them. They are never changed.
var (
	families = map[nftables.TableFamily]string{
		nftables.TableFamilyINet: "inet",
		nftables.TableFamilyIPv4: "ip",
		nftables.TableFamilyIPv6: "ip6",
	}
	hookNames = map[nftables.ChainHook]Hook{
		unix.NF_INET_PRE_ROUTING:  Prerouting,
		unix.NF_INET_LOCAL_IN:     Input,
		unix.NF_INET_FORWARD:      Forward,
		unix.NF_INET_LOCAL_OUT:    Output,
		unix.NF_INET_POST_ROUTING: Postrouting,
	}
)

// nftTable reads the chains and sets of one table when they are asked for: kube-proxy
// makes thousands, of which a packet meets few.
type nftTable struct {
	conn   *nftables.Conn
	table  *nftables.Table
	chains map[string][]rule
	sets   map[string][]element
}

// nftBases lists the base chains of nftables that can drop. A kernel without nftables
// has none.
func nftBases() ([]base, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, err
	}
	chains, err := conn.ListChains()
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	tables := map[string]*nftTable{}
	var bases []base
	for _, chain := range chains {
		place, ok := placeOf(chain)
		if !ok {
			continue
		}
		key := place.Family + " " + place.Table
		if tables[key] == nil {
			tables[key] = &nftTable{conn: conn, table: chain.Table, chains: map[string][]rule{}, sets: map[string][]element{}}
		}
		b := base{place: place, source: tables[key], policy: step{verdict: accept}}
		if chain.Policy != nil && *chain.Policy == nftables.ChainPolicyDrop {
			b.policy.verdict = drop
		}
		bases = append(bases, b)
	}
	return bases, nil
}

// placeOf describes a base chain; false for one that is none, or is for NAT: such a
// chain sees only a connection's first packet.
func placeOf(chain *nftables.Chain) (Place, bool) {
	family, ok := families[chain.Table.Family]
	if !ok || chain.Hooknum == nil || chain.Type == nftables.ChainTypeNAT {
		return Place{}, false
	}
	place := Place{Family: family, Table: chain.Table.Name, Chain: chain.Name, Hook: hookNames[*chain.Hooknum]}
	if chain.Priority != nil {
		place.Priority = int32(*chain.Priority)
	}
	return place, place.Hook != ""
}

func (t *nftTable) chain(name string) ([]rule, error) {
	if rules, ok := t.chains[name]; ok {
		return rules, nil
	}
	found, err := t.conn.GetRules(t.table, &nftables.Chain{Name: name, Table: t.table})
	if err != nil {
		return nil, fmt.Errorf("list chain %s: %w", name, err)
	}
	rules := make([]rule, len(found))
	for i, one := range found {
		rules[i] = &nftRule{table: t, chain: name, handle: one.Handle, exprs: one.Exprs}
	}
	t.chains[name] = rules
	return rules, nil
}

// element is one key of a set, with the verdict that it leads to in a map.
type element struct {
	key  []byte
	end  bool // an interval ends before this key
	step *step
}

// maxElements bounds what is looked at of a set; a larger one decides nothing.
const maxElements = 4096

// set gives a set's elements; nil where it cannot be read or is too large, so that
// nothing is concluded from it.
func (t *nftTable) set(name string) []element {
	if found, ok := t.sets[name]; ok {
		return found
	}
	elements, err := t.conn.GetSetElements(&nftables.Set{Table: t.table, Name: name})
	if err != nil || len(elements) > maxElements {
		elements = nil
	}
	var all []element
	for _, e := range elements {
		all = append(all, element{key: e.Key, end: e.IntervalEnd, step: verdictIn(e.Val)})
	}
	t.sets[name] = all
	return all
}
