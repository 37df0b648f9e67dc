// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// forgetOf reads the line back that takes an inserted rule out of its chain; false for
// any other line.
func forgetOf(op finding.Command) (nft, bool) {
	inner, ok := strings.CutPrefix(op.Line, "nft delete rule ")
	chain, _, cut := strings.Cut(inner, " handle $(")
	words := strings.Fields(chain)
	if !ok || !cut || len(words) != 3 {
		return nft{}, false
	}
	at := event.Filter{Family: words[0], Table: strings.Trim(words[1], "'"), Chain: strings.Trim(words[2], "'")}
	if _, known := familyOf(at.Family); !known || trap.ForgetLetIn(at) != op {
		return nft{}, false
	}
	return nft{
		does: func(c *nftables.Conn) error { return forget(c, at) },
		undo: func(c *nftables.Conn) (finding.Op, error) { return remembered(c, at) },
	}, true
}

// forget queues the removal of the first rule of a chain that a fix has put there.
func forget(conn *nftables.Conn, at event.Filter) error {
	rule, err := ours(conn, at)
	if err != nil {
		return err
	}
	return conn.DelRule(rule)
}

// ours gives the first rule of a chain that bears a fix's remark.
func ours(conn *nftables.Conn, at event.Filter) (*nftables.Rule, error) {
	family, _ := familyOf(at.Family)
	table := &nftables.Table{Name: at.Table, Family: family}
	rules, err := conn.GetRules(table, &nftables.Chain{Name: at.Chain, Table: table})
	if err != nil {
		return nil, fmt.Errorf("read chain %s %s %s: %w", at.Family, at.Table, at.Chain, err)
	}
	for _, rule := range rules {
		if bytes.Equal(rule.UserData, remark("trapbpf")) {
			return rule, nil
		}
	}
	return nil, fmt.Errorf("no rule of a fix is in the chain %s %s %s", at.Family, at.Table, at.Chain)
}

// remembered gives the sentence that would bring the rule back.
func remembered(conn *nftables.Conn, at event.Filter) (finding.Op, error) {
	rule, err := ours(conn, at)
	if err != nil {
		return nil, err
	}
	family, _ := familyOf(at.Family)
	for _, six := range []bool{false, true} {
		if reflect.DeepEqual(rule.Exprs, tooBigAccepted(family, six)) {
			return trap.LetIn(at, six), nil
		}
	}
	if pass, ok := passOf(rule.Exprs); ok && reflect.DeepEqual(rule.Exprs, passed(family, pass)) {
		return trap.LetPass(event.Guard{Family: at.Family, Table: at.Table, Chain: at.Chain}, pass), nil
	}
	return nil, errors.New("the rule with a fix's remark is not as a fix writes it")
}

// passOf reads the addresses and the port that a rule compares; false where they are
// not there. Whether it compares nothing else the caller sees by rendering it again.
func passOf(all []expr.Any) (p trap.Pass, ok bool) {
	for i := 1; i < len(all); i++ {
		load, loads := all[i-1].(*expr.Payload)
		held, compares := all[i].(*expr.Cmp)
		if !loads || !compares {
			continue
		}
		switch {
		case load.Base == expr.PayloadBaseTransportHeader && len(held.Data) == 2:
			p.Port = uint16(held.Data[0])<<8 | uint16(held.Data[1])
			p.Answers = load.Offset == 0
		case !p.Source.IsValid():
			p.Source, _ = netip.AddrFromSlice(held.Data)
		default:
			p.Destination, _ = netip.AddrFromSlice(held.Data)
		}
	}
	return p, p.Source.IsValid() && p.Destination.IsValid() && p.Port != 0
}
