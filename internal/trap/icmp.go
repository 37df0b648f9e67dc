// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"fmt"

	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Clamp gives the nft command that has a router keep the MSS of what it forwards
// within what both directions' routes carry: in a table of its own, which Unclamp
// takes away whole.
func Clamp() finding.NftOp {
	return finding.NftOp{Command: "add table inet trapbpf; " +
		"add chain inet trapbpf clamp { type filter hook forward priority mangle; policy accept; }; " +
		"add rule inet trapbpf clamp tcp flags syn tcp option maxseg size set rt mtu"}
}

// Unclamp takes back what Clamp did.
func Unclamp() finding.NftOp { return finding.NftOp{Command: "delete table inet trapbpf"} }

// LetIn gives the nft command that accepts ICMP "too big" ahead of everything else
// that a chain does. An accept elsewhere would not help: a drop in any chain of the
// hook is final.
func LetIn(f event.Filter, six bool) finding.NftOp {
	match := "icmp type destination-unreachable icmp code frag-needed"
	if six {
		match = "icmpv6 type packet-too-big"
	}
	return finding.NftOp{Command: fmt.Sprintf("insert rule %s %s %s %s accept comment trapbpf", f.Family, f.Table, f.Chain, match)}
}

// ForgetLetIn is the line that removes what LetIn inserted: nft deletes a rule by its
// handle, which only a listing tells.
func ForgetLetIn(f event.Filter) finding.Command {
	chain := f.Family + " " + finding.Quote(f.Table) + " " + finding.Quote(f.Chain)
	return finding.Command{Line: fmt.Sprintf(
		`nft delete rule %s handle $(nft -a list chain %s | sed -n 's/.*comment "trapbpf" # handle //p' | head -n 1)`, chain, chain)}
}

// FilterAt finds the chain of a hook that may drop ICMP of a family: one with a rule
// that does before one that drops all that no rule accepts.
func FilterAt(filters []event.Filter, six bool, hooks ...string) (event.Filter, bool) {
	var found event.Filter
	ok := false
	for _, f := range filters {
		if f.Family == "ip" && six || f.Family == "ip6" && !six || !contains(hooks, f.Hook) {
			continue
		}
		if !ok || f.ICMP && !found.ICMP {
			found, ok = f, true
		}
	}
	return found, ok
}

func contains(list []string, word string) bool {
	for _, one := range list {
		if one == word {
			return true
		}
	}
	return false
}
