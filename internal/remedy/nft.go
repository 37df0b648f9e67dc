// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"fmt"
	"strings"

	"github.com/google/nftables"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// nft is an nft command. Of nft's language only the sentences are understood that
// findings write: letting ICMP "too big", or two hosts' TCP, into a chain, clamping the MSS, and taking
// the clamp's table away. Any other is for nft(8).
type nft struct {
	op   finding.NftOp
	does func(*nftables.Conn) error
	undo func(*nftables.Conn) (finding.Op, error)
}

// nftOf reads a command; false for one that is not understood.
func nftOf(op finding.NftOp) (nft, bool) {
	switch op.Command {
	case trap.Clamp().Command:
		return nft{op: op, does: clamp, undo: unclamped}, true
	case trap.Unclamp().Command:
		return nft{op: op, does: unclamp, undo: clamped}, true
	}
	if guard, pass, ok := parsePass(op); ok {
		return nft{
			op:   op,
			does: func(c *nftables.Conn) error { return letPass(c, guard, pass) },
			undo: func(*nftables.Conn) (finding.Op, error) { return trap.ForgetPass(guard), nil },
		}, true
	}
	chain, six, ok := parseLetIn(op)
	if !ok {
		return nft{}, false
	}
	return nft{
		op:   op,
		does: func(c *nftables.Conn) error { return letIn(c, chain, six) },
		undo: func(*nftables.Conn) (finding.Op, error) { return trap.ForgetLetIn(chain), nil },
	}, true
}

// parseLetIn reads "insert rule FAMILY TABLE CHAIN ..." back by rendering it again.
func parseLetIn(op finding.NftOp) (chain event.Filter, six, ok bool) {
	words := strings.Fields(op.Command)
	if len(words) < 5 || words[0] != "insert" || words[1] != "rule" {
		return event.Filter{}, false, false
	}
	chain = event.Filter{Family: words[2], Table: words[3], Chain: words[4]}
	if _, known := familyOf(chain.Family); !known {
		return event.Filter{}, false, false
	}
	for _, six := range []bool{false, true} {
		if trap.LetIn(chain, six) == op {
			return chain, six, true
		}
	}
	return event.Filter{}, false, false
}

func (n nft) apply() error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	if err := n.does(conn); err != nil {
		return err
	}
	return conn.Flush() // one transaction: all of it, or nothing
}

func (n nft) restore() (finding.Op, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	return n.undo(conn)
}

func familyOf(name string) (nftables.TableFamily, bool) {
	switch name {
	case "inet":
		return nftables.TableFamilyINet, true
	case "ip":
		return nftables.TableFamilyIPv4, true
	case "ip6":
		return nftables.TableFamilyIPv6, true
	default:
		return 0, false
	}
}

// letIn queues the rule that accepts ICMP "too big" first of all in a chain.
func letIn(conn *nftables.Conn, f event.Filter, six bool) error {
	family, _ := familyOf(f.Family)
	table := &nftables.Table{Name: f.Table, Family: family}
	chain, err := conn.ListChain(table, f.Chain)
	if err != nil {
		return fmt.Errorf("find chain %s %s %s: %w", f.Family, f.Table, f.Chain, err)
	}
	conn.InsertRule(&nftables.Rule{
		Table: table, Chain: chain, Exprs: tooBigAccepted(family, six), UserData: remark("trapbpf"),
	})
	return nil
}

// clampTable is Clamp's own table.
func clampTable() *nftables.Table {
	return &nftables.Table{Name: "trapbpf", Family: nftables.TableFamilyINet}
}

func clamp(conn *nftables.Conn) error {
	table := conn.AddTable(clampTable())
	accept := nftables.ChainPolicyAccept
	chain := conn.AddChain(&nftables.Chain{
		Name: "clamp", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityMangle, Policy: &accept,
	})
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: mssClamped()})
	return nil
}

func unclamp(conn *nftables.Conn) error {
	conn.DelTable(clampTable())
	return nil
}

// unclamped gives what brings the state before a clamp back.
func unclamped(conn *nftables.Conn) (finding.Op, error) {
	there, err := hasClamp(conn)
	if err != nil {
		return nil, err
	}
	if there {
		return nil, fmt.Errorf("%w: table inet trapbpf is there already", ErrInexpressible)
	}
	return trap.Unclamp(), nil
}

// clamped gives what brings the state before an unclamp back.
func clamped(conn *nftables.Conn) (finding.Op, error) {
	there, err := hasClamp(conn)
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, fmt.Errorf("%w: there is no table inet trapbpf", ErrInexpressible)
	}
	return trap.Clamp(), nil
}

func hasClamp(conn *nftables.Conn) (bool, error) {
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return false, fmt.Errorf("list tables: %w", err)
	}
	for _, table := range tables {
		if table.Name == clampTable().Name {
			return true, nil
		}
	}
	return false, nil
}
