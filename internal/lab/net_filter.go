// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// filter is a chain of a namespace's firewall that drops what its matches say, and
// counts it.
type filter struct {
	space *space
	chain *nftables.Chain
}

// match is what a rule asks of a packet, as the kernel's virtual machine takes it:
// what `nft --debug=netlink` shows for the same sentence.
type match []expr.Any

// drop adds a chain to a namespace's hook with one rule for each match. Chains of
// different hooks have different names.
func (n *network) drop(s *space, name string, hook *nftables.ChainHook, matches ...match) filter {
	f := filter{space: s}
	if n.err != nil {
		return f
	}
	conn, err := nftables.New(nftables.WithNetNSFd(s.fd))
	if err != nil {
		n.fail(fmt.Errorf("open the firewall of %s: %w", s.role, err))
		return f
	}
	table := conn.AddTable(&nftables.Table{Name: "lab", Family: nftables.TableFamilyINet})
	f.chain = conn.AddChain(&nftables.Chain{
		Name: name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityFilter,
	})
	for _, m := range matches {
		conn.AddRule(&nftables.Rule{
			Table: table, Chain: f.chain,
			Exprs: append(m, &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}),
		})
	}
	if err := conn.Flush(); err != nil {
		n.fail(fmt.Errorf("set the firewall of %s: %w", s.role, err))
	}
	return f
}

// dropped counts what the chain has dropped.
func (f filter) dropped() (uint64, error) {
	conn, err := nftables.New(nftables.WithNetNSFd(f.space.fd))
	if err != nil {
		return 0, fmt.Errorf("open the firewall of %s: %w", f.space.role, err)
	}
	rules, err := conn.GetRules(f.chain.Table, f.chain)
	if err != nil {
		return 0, fmt.Errorf("read the firewall of %s: %w", f.space.role, err)
	}
	var packets uint64
	for _, rule := range rules {
		for _, e := range rule.Exprs {
			if counter, ok := e.(*expr.Counter); ok {
				packets += counter.Packets
			}
		}
	}
	return packets, nil
}

// watch notes when the chain dropped its first packet, to within a few milliseconds.
func (f filter) watch(ctx context.Context, m *meter) error {
	return watchCount(ctx, m, f.dropped)
}

// proof holds that the chain dropped something.
func (f filter) proof(reading) error {
	packets, err := f.dropped()
	if err != nil {
		return err
	}
	return atLeast("packets dropped by the firewall", packets, 1)
}

// counting is a job of watchCount.
func counting(count func() (uint64, error)) job {
	return func(ctx context.Context, m *meter) error { return watchCount(ctx, m, count) }
}

// watchCount notes when a count left 0, to within a few milliseconds.
func watchCount(ctx context.Context, m *meter, count func() (uint64, error)) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		n, err := count()
		if err != nil {
			return err
		}
		if n > 0 {
			m.strike()
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

const register = 1 // NFT_REG_1

// larger is "meta length > mtu".
func larger(mtu uint32) match {
	return match{
		&expr.Meta{Key: expr.MetaKeyLEN, Register: register}, networkOrder(),
		&expr.Cmp{Op: expr.CmpOpGt, Register: register, Data: binaryutil.BigEndian.PutUint32(mtu)},
	}
}

// sometimes is "numgen random mod 100 < percent".
func sometimes(percent uint32) match {
	return match{
		&expr.Numgen{Register: register, Modulus: 100, Type: unix.NFT_NG_RANDOM}, networkOrder(),
		&expr.Cmp{Op: expr.CmpOpLt, Register: register, Data: binaryutil.BigEndian.PutUint32(percent)},
	}
}

// overOneASecond is "limit rate over 1/second burst 1 packets".
func overOneASecond() expr.Any {
	return &expr.Limit{Type: expr.LimitTypePkts, Rate: 1, Over: true, Unit: expr.LimitTimeSecond, Burst: 1}
}

// networkOrder turns a number of the host's into one that can be compared.
func networkOrder() expr.Any {
	return &expr.Byteorder{SourceRegister: register, DestRegister: register, Op: expr.ByteorderHton, Len: 4, Size: 4}
}

// tooBig is "icmp type destination-unreachable icmp code frag-needed", or "icmpv6
// type packet-too-big".
func tooBig(six bool) match {
	protocol, version, first := byte(unix.IPPROTO_ICMP), byte(unix.NFPROTO_IPV4), []byte{3, 4}
	if six {
		protocol, version, first = unix.IPPROTO_ICMPV6, unix.NFPROTO_IPV6, []byte{2}
	}
	return match{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{version}},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{protocol}},
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Len: uint32(len(first))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: first},
	}
}
