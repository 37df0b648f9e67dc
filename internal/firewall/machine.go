// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// nftRule is a rule of nftables: expressions that load registers, compare them, and
// at last decide (the kernel's nft_do_chain).
type nftRule struct {
	table  *nftTable
	chain  string
	handle uint64
	exprs  []expr.Any
}

func (r *nftRule) name() string {
	return fmt.Sprintf("the rule with handle %d in chain %s", r.handle, r.chain)
}

func (r *nftRule) marks() (clamp, reverse bool) {
	for _, e := range r.exprs {
		switch e := e.(type) {
		case *expr.Exthdr:
			const maxSegment = 2 // TCPOPT_MAXSEG
			clamp = clamp || e.Op == expr.ExthdrOpTcpopt && e.Type == maxSegment && e.SourceRegister != 0
		case *expr.Target:
			clamp = clamp || e.Name == "TCPMSS"
		case *expr.Fib:
			reverse = reverse || e.FlagSADDR && e.FlagIIF && (e.ResultOIF || e.ResultOIFNAME)
		case *expr.Match:
			info, ok := e.Info.(*xt.Unknown)
			reverse = reverse || e.Name == "rpfilter" && ok && strictReverse(*info)
		}
	}
	return clamp, reverse
}

// strictReverse reads struct xt_rpfilter_info: a loose rule asks for any way back.
func strictReverse(info []byte) bool {
	const loose = 1 << 0 // XT_RPFILTER_LOOSE
	return len(info) > 0 && info[0]&loose == 0
}

// judge runs the rule. It starts as certain and becomes unsure with the first
// comparison of something that is not known.
func (r *nftRule) judge(p *packet) []step {
	m := machine{packet: p, table: r.table, sure: yes}
	for _, e := range r.exprs {
		m.run(e)
		if m.sure == no {
			return []step{{verdict: next}}
		}
		if len(m.steps) > 0 {
			break
		}
	}
	if len(m.steps) == 0 {
		return []step{{verdict: next}}
	}
	if m.sure == maybe {
		return append(m.steps, step{verdict: next})
	}
	return m.steps
}

// machine holds a rule's registers while it runs.
type machine struct {
	packet    *packet
	table     *nftTable
	registers [16]value
	sure      truth
	steps     []step
}

// value is a register's content. Where it is not known, iface tells that it names an
// interface, which is never the loopback.
type value struct {
	bytes []byte
	known bool
	iface bool
}

// at gives a register: the kernel numbers 16-byte ones from 1, 4-byte ones from 8,
// over the same memory (NFT_REG_1, NFT_REG32_00).
func (m *machine) at(register uint32) *value {
	const first16, first4, per16 = 1, 8, 4
	index := (register - first16) * per16
	if register >= first4 {
		index = register - first4
	}
	return &m.registers[index%uint32(len(m.registers))]
}

func (m *machine) run(e expr.Any) {
	switch e := e.(type) {
	case *expr.Meta:
		m.meta(e)
	case *expr.Payload:
		m.payload(e)
	case *expr.Ct:
		m.conntrack(e)
	case *expr.Bitwise:
		m.bitwise(e)
	case *expr.Immediate:
		*m.at(e.Register) = value{bytes: e.Data, known: true}
	case *expr.Fib:
		*m.at(e.Register) = value{}
	case *expr.Hash:
		*m.at(e.DestRegister) = value{}
	case *expr.Numgen:
		*m.at(e.Register) = value{}
	case *expr.Exthdr:
		if e.SourceRegister == 0 {
			*m.at(e.DestRegister) = value{}
		}
	default:
		m.decide(e)
	}
}

// decide runs the expressions that compare or end a rule. Those that are not named
// change nothing: counters, logs.
func (m *machine) decide(e expr.Any) {
	switch e := e.(type) {
	case *expr.Cmp:
		m.sure = m.sure.and(compare(*m.at(e.Register), e))
	case *expr.Range:
		m.sure = m.sure.and(within(*m.at(e.Register), e))
	case *expr.Lookup:
		m.lookup(e)
	case *expr.Limit:
		if e.Over { // only a flood gets there
			m.sure = m.sure.and(maybe)
		}
	case *expr.Match:
		m.sure = m.sure.and(matchXT(m.packet, e.Name, e.Info))
	case *expr.Connlimit, *expr.Quota, *expr.Socket:
		m.sure = m.sure.and(maybe)
	case *expr.Dynset:
		if e.Invert {
			m.sure = m.sure.and(maybe)
		}
	case *expr.Verdict:
		m.steps = []step{stepOf(e.Kind, e.Chain)}
	case *expr.Reject:
		m.steps = []step{{verdict: drop}}
	case *expr.Target:
		if s := targetXT(e.Name); s.verdict != next {
			m.steps = []step{s}
		}
	case *expr.NAT, *expr.Masq, *expr.Redir, *expr.TProxy, *expr.Queue:
		m.steps = []step{{verdict: accept}}
	}
}

func stepOf(kind expr.VerdictKind, chain string) step {
	switch kind {
	case expr.VerdictAccept, expr.VerdictQueue, expr.VerdictStolen:
		return step{verdict: accept}
	case expr.VerdictDrop:
		return step{verdict: drop}
	case expr.VerdictJump:
		return step{jump, chain}
	case expr.VerdictGoto:
		return step{goTo, chain}
	case expr.VerdictReturn:
		return step{verdict: leave}
	default:
		return step{verdict: next}
	}
}

func (m *machine) meta(e *expr.Meta) {
	if e.SourceRegister {
		return // writes a mark
	}
	to := m.at(e.Register)
	switch e.Key {
	case expr.MetaKeyL4PROTO:
		*to = value{bytes: []byte{m.packet.proto}, known: true}
	case expr.MetaKeyNFPROTO:
		*to = value{bytes: []byte{m.packet.family()}, known: true}
	case expr.MetaKeyPROTOCOL:
		*to = value{bytes: m.packet.etherType(), known: true}
	case expr.MetaKeyPKTTYPE:
		*to = value{bytes: []byte{unix.PACKET_HOST}, known: true}
	case expr.MetaKeyIIF, expr.MetaKeyOIF, expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME:
		*to = value{iface: true}
	default:
		*to = value{}
	}
}

func (m *machine) payload(e *expr.Payload) {
	if e.OperationType == expr.PayloadWrite {
		return
	}
	to := m.at(e.DestRegister)
	*to = value{}
	switch e.Base {
	case expr.PayloadBaseNetworkHeader:
		to.bytes, to.known = m.packet.network(e.Offset, e.Len)
	case expr.PayloadBaseTransportHeader:
		to.bytes, to.known = m.packet.transport(e.Offset, e.Len)
	default: // the link's header is nobody's guess
	}
}

func (m *machine) conntrack(e *expr.Ct) {
	if e.SourceRegister {
		return
	}
	to := m.at(e.Register)
	*to = value{}
	if e.Key == expr.CtKeySTATE {
		*to = value{bytes: binary.NativeEndian.AppendUint32(nil, m.packet.state), known: true}
	}
}

func (m *machine) bitwise(e *expr.Bitwise) {
	from := *m.at(e.SourceRegister)
	to := m.at(e.DestRegister)
	*to = value{}
	if !from.known || len(e.Mask) < len(from.bytes) || len(e.Xor) < len(from.bytes) {
		return
	}
	to.known = true
	for i, b := range from.bytes {
		to.bytes = append(to.bytes, b&e.Mask[i]^e.Xor[i])
	}
}

// loopbackName tells whether the bytes of an interface comparison mean the loopback:
// by its name, whole or with a wildcard's bytes, or by its index.
func loopbackName(data []byte) bool {
	return strings.TrimRight(string(data), "\x00") == "lo" ||
		len(data) == 4 && binary.NativeEndian.Uint32(data) == 1
}
