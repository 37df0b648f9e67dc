// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
)

// ruleRead is what one rule asks of a packet and does with it.
type ruleRead struct {
	// invalid tells that it matches packets of state invalid, reverse that it asks for
	// the way back to the source.
	invalid, reverse, stateful, iptables bool
	drops                                bool
	// dropsInvalid tells that it looks the state up in a map whose entry for invalid
	// is a drop.
	dropsInvalid bool
	// to are the chains that it may lead to.
	to []string
}

// stateReader follows the expressions of a rule: what was loaded last, and through
// which mask it is compared.
type stateReader struct {
	conn   *nftables.Conn
	table  *nftables.Table
	loaded bool
	mask   uint32
	rule   ruleRead
}

func readRule(conn *nftables.Conn, table *nftables.Table, exprs []expr.Any) ruleRead {
	r := stateReader{conn: conn, table: table}
	for _, e := range exprs {
		r.take(e)
	}
	r.rule.drops = drops(exprs)
	return r.rule
}

func (r *stateReader) take(e expr.Any) {
	switch e := e.(type) {
	case *expr.Ct:
		r.loaded, r.mask = e.Key == expr.CtKeySTATE && !e.SourceRegister, ^uint32(0)
		r.rule.stateful = r.rule.stateful || r.loaded
	case *expr.Bitwise:
		if r.loaded && len(e.Mask) >= 4 {
			r.mask = binary.NativeEndian.Uint32(e.Mask)
		}
	case *expr.Cmp:
		r.compare(e)
	case *expr.Lookup:
		r.lookUp(e)
	case *expr.Fib:
		r.rule.reverse = r.rule.reverse || e.FlagSADDR && e.FlagIIF && !e.ResultADDRTYPE
	case *expr.Match:
		r.match(e)
	case *expr.Target:
		r.rule.iptables = true
	case *expr.Verdict:
		if e.Kind == expr.VerdictJump || e.Kind == expr.VerdictGoto {
			r.rule.to = append(r.rule.to, e.Chain)
		}
	}
}

// compare: "ct state invalid" is a mask and "not 0"; "ct state != new" is a mask and
// "0"; a single state may be compared as it is.
func (r *stateReader) compare(e *expr.Cmp) {
	if !r.loaded || len(e.Data) < 4 {
		return
	}
	r.loaded = false
	value := binary.NativeEndian.Uint32(e.Data)
	meets := expr.CtStateBitINVALID&r.mask == value
	r.rule.invalid = r.rule.invalid || meets == (e.Op == expr.CmpOpEq)
}

// lookUp: "ct state { … }" or "ct state vmap { invalid : drop }".
func (r *stateReader) lookUp(e *expr.Lookup) {
	if !r.loaded {
		return
	}
	r.loaded = false
	set, err := r.conn.GetSetByName(r.table, e.SetName)
	if err != nil {
		return
	}
	elements, err := r.conn.GetSetElements(set)
	if err != nil {
		return
	}
	for _, element := range elements {
		if len(element.Key) < 4 || binary.NativeEndian.Uint32(element.Key)&expr.CtStateBitINVALID == 0 {
			continue
		}
		if e.IsDestRegSet {
			r.dispatch(element.Val)
		} else {
			r.rule.invalid = r.rule.invalid || !e.Invert
		}
	}
}

// dispatch takes what a verdict map has for packets of state invalid. The library
// gives a verdict as the attributes that it is made of.
func (r *stateReader) dispatch(verdict []byte) {
	const code, chain = 1, 2 // NFTA_VERDICT_CODE, NFTA_VERDICT_CHAIN
	for kind, value := range attributes(verdict) {
		switch {
		case kind == code && len(value) >= 4:
			r.rule.dropsInvalid = int32(binary.BigEndian.Uint32(value)) == int32(expr.VerdictDrop)
		case kind == chain:
			r.rule.invalid = true
			r.rule.to = append(r.rule.to, text(value))
		}
	}
}

// match takes the matches of iptables.
func (r *stateReader) match(e *expr.Match) {
	r.rule.iptables = true
	switch e.Name {
	case "conntrack":
		r.rule.stateful = true
		r.rule.invalid = r.rule.invalid || conntrackInvalid(e.Info)
	case "state":
		r.rule.stateful = true
		if raw, ok := e.Info.(*xt.Unknown); ok && len(*raw) >= 4 { // struct xt_state_info
			r.rule.invalid = r.rule.invalid || binary.NativeEndian.Uint32(*raw)&expr.CtStateBitINVALID != 0
		}
	case "rpfilter":
		raw, ok := e.Info.(*xt.Unknown) // struct xt_rpfilter_info: its flags
		r.rule.reverse = ok && len(*raw) > 0 && (*raw)[0]&rpfilterLoose == 0
	}
}

const rpfilterLoose = 1 << 0 // XT_RPFILTER_LOOSE

// conntrackInvalid tells whether `-m conntrack --ctstate` matches INVALID, whose bit
// is the same as nftables'.
func conntrackInvalid(info xt.InfoAny) bool {
	var flags, inverted xt.ConntrackFlags
	var states uint16
	switch info := info.(type) {
	case *xt.ConntrackMtinfo1:
		flags, inverted, states = xt.ConntrackFlags(info.MatchFlags), xt.ConntrackFlags(info.InvertFlags), uint16(info.StateMask)
	case *xt.ConntrackMtinfo2:
		flags, inverted, states = xt.ConntrackFlags(info.MatchFlags), xt.ConntrackFlags(info.InvertFlags), info.StateMask
	case *xt.ConntrackMtinfo3:
		flags, inverted, states = xt.ConntrackFlags(info.MatchFlags), xt.ConntrackFlags(info.InvertFlags), info.StateMask
	}
	meets := uint32(states)&expr.CtStateBitINVALID != 0
	return flags&xt.ConntrackState != 0 && meets != (inverted&xt.ConntrackState != 0)
}
