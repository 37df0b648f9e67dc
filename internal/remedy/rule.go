// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/trapbpf/trapbpf/pkg/finding"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

type rule finding.RuleOp

func (r rule) apply() error {
	switch r.Verb {
	case "add":
		return netlink.RuleAdd(r.native())
	case "del":
		return netlink.RuleDel(r.native())
	default:
		return fmt.Errorf("%q is nothing to do with a rule", r.Verb)
	}
}

func (r rule) native() *netlink.Rule {
	native := netlink.NewRule()
	native.Family = unix.AF_INET
	if r.From.IsValid() {
		native.Src = ipNet(r.From)
		native.Family = family(r.From.Addr().Is6())
	}
	native.Table = int(r.Table)
	if r.Table == 0 && r.Verb == "add" {
		native.Table = unix.RT_TABLE_MAIN // as ip-rule(8) has it
	}
	if r.Priority != 0 {
		native.Priority = int(r.Priority)
	}
	return native
}

// restore looks for the rule itself: adding it is undone by its removal, removing it
// by adding it where it stood.
func (r rule) restore() (finding.Op, error) {
	native := r.native()
	all, err := netlink.RuleList(native.Family)
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	there := slices.IndexFunc(all, func(one netlink.Rule) bool { return r.same(native, &one) })
	switch {
	case r.Verb == "add" && there >= 0:
		return nil, errors.New("the rule is there already")
	case r.Verb == "add":
		return finding.RuleOp{Verb: "del", From: r.From, Priority: r.Priority, Table: r.Table}, nil
	case there < 0:
		return nil, errors.New("there is no such rule")
	default:
		return finding.RuleOp{Verb: "add", From: r.From, Priority: uint32(all[there].Priority), Table: uint32(all[there].Table)}, nil
	}
}

// same tells whether a removal would take that rule: what the operation leaves open
// matches anything (fib_nl_delrule).
func (r rule) same(native, there *netlink.Rule) bool {
	return (native.Src == nil || there.Src != nil && native.Src.String() == there.Src.String()) &&
		(r.Table == 0 || there.Table == native.Table) &&
		(r.Priority == 0 || there.Priority == native.Priority)
}
