// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// wall is the packet filter of one namespace, in a table of its own. Like network, it
// is built up to the first error.
type wall struct {
	net   *network
	space *space
	conn  *nftables.Conn
	table *nftables.Table
}

// clause is a rule: what it asks of a packet and what becomes of it, as the kernel's
// virtual machine takes it (what `nft --debug=netlink` shows for the same sentence).
type clause []expr.Any

// wall opens the filter of a namespace.
func (n *network) wall(s *space) *wall {
	w := &wall{net: n, space: s, table: &nftables.Table{Name: "wall", Family: nftables.TableFamilyINet}}
	if n.err != nil {
		return w
	}
	var err error
	if w.conn, err = nftables.New(nftables.WithNetNSFd(s.fd)); err != nil {
		n.fail(fmt.Errorf("open the firewall of %s: %w", s.role, err))
		return w
	}
	w.conn.AddTable(w.table)
	return w
}

// chain adds a chain with its rules. Its name tells what it is for.
func (w *wall) chain(name string, hook *nftables.ChainHook, priority *nftables.ChainPriority, clauses ...clause) {
	if w.net.err != nil {
		return
	}
	chain := w.conn.AddChain(&nftables.Chain{
		Name: name, Table: w.table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: priority,
	})
	for _, c := range clauses {
		w.conn.AddRule(&nftables.Rule{Table: w.table, Chain: chain, Exprs: c})
	}
	if err := w.conn.Flush(); err != nil {
		w.net.fail(fmt.Errorf("set the firewall of %s: %w", w.space.role, err))
	}
}

// refused counts what the rules with a counter have met.
func (w *wall) refused() (uint64, error) {
	conn, err := nftables.New(nftables.WithNetNSFd(w.space.fd))
	if err != nil {
		return 0, fmt.Errorf("open the firewall of %s: %w", w.space.role, err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return 0, fmt.Errorf("read the firewall of %s: %w", w.space.role, err)
	}
	var packets uint64
	for _, chain := range chains {
		rules, err := conn.GetRules(chain.Table, chain)
		if err != nil {
			return 0, fmt.Errorf("read the firewall of %s: %w", w.space.role, err)
		}
		for _, rule := range rules {
			for _, e := range rule.Exprs {
				if counter, ok := e.(*expr.Counter); ok {
					packets += counter.Packets
				}
			}
		}
	}
	return packets, nil
}

// watch notes when the wall refused its first packet, to within a few milliseconds.
func (w *wall) watch(ctx context.Context, m *meter) error {
	return watchCount(ctx, m, w.refused)
}

// proof holds that the wall refused something.
func (w *wall) proof(reading) error {
	packets, err := w.refused()
	if err != nil {
		return err
	}
	return atLeast("packets refused by the firewall", packets, 1)
}

const slot = 1 // NFT_REG_1

// counted ends a clause: count and drop.
func counted(c clause) clause {
	return append(c, &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop})
}

// stateInvalid is "ct state invalid".
func stateInvalid() clause {
	return clause{
		&expr.Ct{Key: expr.CtKeySTATE, Register: slot},
		&expr.Bitwise{
			SourceRegister: slot, DestRegister: slot, Len: 4,
			Mask: binary.NativeEndian.AppendUint32(nil, expr.CtStateBitINVALID), Xor: make([]byte, 4),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: slot, Data: make([]byte, 4)},
	}
}

// strayed is "fib saddr . iif oif missing", for one family.
func strayed(six bool) clause {
	version := byte(unix.NFPROTO_IPV4)
	if six {
		version = unix.NFPROTO_IPV6
	}
	return clause{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: slot},
		&expr.Cmp{Op: expr.CmpOpEq, Register: slot, Data: []byte{version}},
		&expr.Fib{Register: slot, ResultOIF: true, FlagSADDR: true, FlagIIF: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: slot, Data: make([]byte, 4)},
	}
}

// untracked is "oifname NAME notrack".
func untracked(name string) clause {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return clause{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: slot},
		&expr.Cmp{Op: expr.CmpOpEq, Register: slot, Data: padded},
		&expr.Notrack{},
	}
}

// toPort is "tcp dport PORT".
func toPort(port uint16) clause {
	return clause{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: slot},
		&expr.Cmp{Op: expr.CmpOpEq, Register: slot, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: slot, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: slot, Data: binary.BigEndian.AppendUint16(nil, port)},
	}
}
