// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"fmt"
	"net/netip"

	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Pass says which direction of two hosts' TCP connections may pass a chain.
type Pass struct {
	Source, Destination netip.Addr
	// Port is the service's; Answers tells that Source is the service.
	Port    uint16
	Answers bool
}

// LetPass gives the nft command that accepts these packets ahead of everything else
// that a chain does.
func LetPass(g event.Guard, p Pass) finding.NftOp {
	ip, side := "ip", "dport"
	if p.Source.Is6() {
		ip = "ip6"
	}
	if p.Answers {
		side = "sport"
	}
	return finding.NftOp{Command: fmt.Sprintf("insert rule %s %s %s %s saddr %s %s daddr %s tcp %s %d accept comment trapbpf",
		g.Family, g.Table, g.Chain, ip, p.Source, ip, p.Destination, side, p.Port)}
}

// ForgetPass is the line that removes what LetPass inserted last.
func ForgetPass(g event.Guard) finding.Command {
	return ForgetLetIn(event.Filter{Family: g.Family, Table: g.Table, Chain: g.Chain})
}
