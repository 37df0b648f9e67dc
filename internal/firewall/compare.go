// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/google/nftables/expr"
)

// truth is whether a rule matches.
type truth int

const (
	no truth = iota
	maybe
	yes
)

func (t truth) and(other truth) truth { return min(t, other) }

func (t truth) not() truth { return yes - t }

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// compare runs a comparison with a constant. Of an interface only that it is not the
// loopback is known.
func compare(v value, e *expr.Cmp) truth {
	if !v.known {
		if v.iface && loopbackName(e.Data) && (e.Op == expr.CmpOpEq || e.Op == expr.CmpOpNeq) {
			return truthOf(e.Op == expr.CmpOpNeq)
		}
		return maybe
	}
	size := min(len(v.bytes), len(e.Data))
	order := bytes.Compare(v.bytes[:size], e.Data[:size])
	switch e.Op {
	case expr.CmpOpEq:
		return truthOf(order == 0)
	case expr.CmpOpNeq:
		return truthOf(order != 0)
	case expr.CmpOpLt:
		return truthOf(order < 0)
	case expr.CmpOpLte:
		return truthOf(order <= 0)
	case expr.CmpOpGt:
		return truthOf(order > 0)
	case expr.CmpOpGte:
		return truthOf(order >= 0)
	default:
		return maybe
	}
}

func within(v value, e *expr.Range) truth {
	if !v.known || len(e.FromData) < len(v.bytes) || len(e.ToData) < len(v.bytes) {
		return maybe
	}
	size := len(v.bytes)
	inside := bytes.Compare(v.bytes, e.FromData[:size]) >= 0 && bytes.Compare(v.bytes, e.ToData[:size]) <= 0
	return truthOf(inside == (e.Op == expr.CmpOpEq))
}

// lookup asks a set, or takes the verdict that a map has for the value.
func (m *machine) lookup(e *expr.Lookup) {
	v := *m.at(e.SourceRegister)
	elements := m.table.set(e.SetName)
	const verdictRegister = 0 // NFT_REG_VERDICT
	isMap := e.IsDestRegSet
	switch {
	case isMap && e.DestRegister != verdictRegister:
		*m.at(e.DestRegister) = value{}
		m.sure = m.sure.and(maybe)
	case isMap:
		m.lookupVerdict(v, elements)
	case elements == nil || !v.known || !sameSize(v, elements):
		m.sure = m.sure.and(maybe)
	default:
		found := truthOf(find(v.bytes, elements) != nil)
		if e.Invert {
			found = found.not()
		}
		m.sure = m.sure.and(found)
	}
}

// lookupVerdict takes every verdict of the map where the value is not known.
func (m *machine) lookupVerdict(v value, elements []element) {
	if v.known && elements != nil && sameSize(v, elements) {
		found := find(v.bytes, elements)
		if found == nil || found.step == nil {
			m.sure = no
			return
		}
		m.steps = []step{*found.step}
		return
	}
	m.sure = m.sure.and(maybe)
	for _, one := range elements {
		loopback := v.iface && loopbackName(one.key)
		if one.step != nil && !loopback && !slices.Contains(m.steps, *one.step) {
			m.steps = append(m.steps, *one.step)
		}
	}
}

// sameSize tells whether the keys are of this value alone: a concatenation's are
// longer. The kernel pads a key to four bytes.
func sameSize(v value, elements []element) bool {
	for _, one := range elements {
		if len(one.key) > max(4, len(v.bytes)) {
			return false
		}
	}
	return true
}

// find gives the element that holds a value: the one with this key, or in a set of
// intervals the last that begins at or before it, unless it ends there.
func find(v []byte, elements []element) *element {
	intervals := slices.ContainsFunc(elements, func(e element) bool { return e.end })
	var best *element
	for i := range elements {
		e := &elements[i]
		if len(e.key) < len(v) {
			continue
		}
		order := bytes.Compare(e.key[:len(v)], v)
		if !intervals && order == 0 {
			return e
		}
		if intervals && order <= 0 && (best == nil || bytes.Compare(e.key[:len(v)], best.key[:len(v)]) >= 0) {
			best = e
		}
	}
	if best == nil || best.end {
		return nil
	}
	return best
}

// verdictIn reads the verdict of a map's element: an attribute with the code, one
// with the chain (NFTA_VERDICT_CODE, NFTA_VERDICT_CHAIN). Nil where it is none.
func verdictIn(data []byte) *step {
	const head, codeEnd = 4, 8
	if len(data) < codeEnd || binary.NativeEndian.Uint16(data) != codeEnd {
		return nil
	}
	kind := expr.VerdictKind(int32(binary.BigEndian.Uint32(data[head:codeEnd])))
	chain := ""
	if len(data) > codeEnd+head {
		chain = string(bytes.TrimRight(data[codeEnd+head:], "\x00"))
	}
	s := stepOf(kind, chain)
	return &s
}
