// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// parsePass reads "insert rule FAMILY TABLE CHAIN ip saddr A ip daddr B tcp dport N ..."
// back by rendering it again.
func parsePass(op finding.NftOp) (g event.Guard, p trap.Pass, ok bool) {
	words := strings.Fields(op.Command)
	if len(words) < 14 {
		return g, p, false
	}
	g = event.Guard{Family: words[2], Table: words[3], Chain: words[4]}
	if _, known := familyOf(g.Family); !known {
		return g, p, false
	}
	var errSource, errDestination error
	p.Source, errSource = netip.ParseAddr(words[7])
	p.Destination, errDestination = netip.ParseAddr(words[10])
	port, errPort := strconv.ParseUint(words[13], 10, 16)
	if errSource != nil || errDestination != nil || errPort != nil || p.Source.Is6() != p.Destination.Is6() {
		return g, p, false
	}
	p.Port, p.Answers = uint16(port), words[12] == "sport"
	return g, p, trap.LetPass(g, p) == op
}

// letPass queues the rule that accepts one direction of two hosts' connections first of
// all in a chain.
func letPass(conn *nftables.Conn, g event.Guard, p trap.Pass) error {
	family, _ := familyOf(g.Family)
	table := &nftables.Table{Name: g.Table, Family: family}
	chain, err := conn.ListChain(table, g.Chain)
	if err != nil {
		return fmt.Errorf("find chain %s %s %s: %w", g.Family, g.Table, g.Chain, err)
	}
	conn.InsertRule(&nftables.Rule{Table: table, Chain: chain, Exprs: passed(family, p), UserData: remark("trapbpf")})
	return nil
}

// passed is "ip saddr A ip daddr B tcp dport N accept".
func passed(family nftables.TableFamily, p trap.Pass) []expr.Any {
	source, destination, version := uint32(12), uint32(16), byte(unix.NFPROTO_IPV4)
	if p.Source.Is6() {
		source, destination, version = 8, 24, unix.NFPROTO_IPV6
	}
	const sourcePort, destinationPort = 0, 2
	port := uint32(destinationPort)
	if p.Answers {
		port = sourcePort
	}
	var all []expr.Any
	if family == nftables.TableFamilyINet {
		all = is(meta(expr.MetaKeyNFPROTO), version)
	}
	all = append(all, holds(expr.PayloadBaseNetworkHeader, source, p.Source.AsSlice())...)
	all = append(all, holds(expr.PayloadBaseNetworkHeader, destination, p.Destination.AsSlice())...)
	all = append(all, is(meta(expr.MetaKeyL4PROTO), unix.IPPROTO_TCP)...)
	all = append(all, holds(expr.PayloadBaseTransportHeader, port, binary.BigEndian.AppendUint16(nil, p.Port))...)
	return append(all, &expr.Verdict{Kind: expr.VerdictAccept})
}

// holds compares bytes of a header.
func holds(base expr.PayloadBase, offset uint32, data []byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: base, Offset: offset, Len: uint32(len(data))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data},
	}
}
