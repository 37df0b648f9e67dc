// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// legacyEntry is one entry of a table: what it matches by itself, its matches, and its
// target.
type legacyEntry struct {
	table      *legacyTable
	data       []byte
	size       int
	targetFrom int
	at         int // its offset in the table
	number     int
}

// Sizes of struct xt_entry_match and xt_entry_target: size, name, revision.
const (
	extensionHead = 32
	extensionName = 29
)

// entry gives the entry at an offset, nil where none fits there.
func (t *legacyTable) entry(at int) *legacyEntry {
	f := &t.family
	if at < 0 || at+f.entry > len(t.blob) {
		return nil
	}
	data := t.blob[at:]
	target := int(binary.NativeEndian.Uint16(data[f.offsets:]))
	size := int(binary.NativeEndian.Uint16(data[f.offsets+2:]))
	if target < f.entry || size < target+extensionHead || size > len(data) {
		return nil
	}
	return &legacyEntry{table: t, data: data[:size], size: size, targetFrom: target, at: at}
}

func (e *legacyEntry) name() string { return fmt.Sprintf("rule %d", e.number) }

// ends tells whether the entry is the head of the next user chain, or the table's end.
func (e *legacyEntry) ends() bool { return extensionText(e.data[e.targetFrom:]) == "ERROR" }

func extensionText(data []byte) string {
	text, _, _ := bytes.Cut(data[2:2+extensionName], []byte{0})
	return string(text)
}

// target gives what the entry does: the standard target holds a verdict, or the offset
// of a chain.
func (e *legacyEntry) target() step {
	data := e.data[e.targetFrom:]
	if name := extensionText(data); name != "" {
		return targetXT(name)
	}
	if len(data) < extensionHead+4 {
		return step{verdict: next}
	}
	const verdictDrop, verdictAccept, verdictQueue, verdictReturn = -1, -2, -4, -5
	switch v := int32(binary.NativeEndian.Uint32(data[extensionHead:])); {
	case v == verdictDrop:
		return step{verdict: drop}
	case v == verdictAccept, v == verdictQueue:
		return step{verdict: accept}
	case v == verdictReturn:
		return step{verdict: leave}
	case int(v) == e.at+e.size:
		return step{verdict: next} // a rule without a target falls through
	case v >= 0 && e.goesTo():
		return step{goTo, fmt.Sprintf(legacyJump, v)}
	case v >= 0:
		return step{jump, fmt.Sprintf(legacyJump, v)}
	default:
		return step{verdict: next}
	}
}

// goesTo is IPT_F_GOTO, for IPv6 IP6T_F_GOTO.
func (e *legacyEntry) goesTo() bool {
	mask := byte(2)
	if e.table.family.name == "ip6" {
		mask = 4
	}
	return e.data[e.table.family.flags]&mask != 0
}

// judge implements rule.
func (e *legacyEntry) judge(p *packet) []step {
	sure := e.own(p)
	for at := e.table.family.entry; at+extensionHead <= e.targetFrom && sure != no; {
		match := e.data[at:e.targetFrom]
		size := int(binary.NativeEndian.Uint16(match))
		if size < extensionHead || size > len(match) {
			return []step{{verdict: next}}
		}
		sure = sure.and(matchRaw(p, extensionText(match), match[extensionHead:size]))
		at += size
	}
	does := e.target()
	switch {
	case sure == no || does.verdict == next:
		return []step{{verdict: next}}
	case sure == maybe:
		return []step{does, {verdict: next}}
	default:
		return []step{does}
	}
}

// own judges what the entry itself asks for: addresses, interfaces, the protocol.
func (e *legacyEntry) own(p *packet) truth {
	f := &e.table.family
	sure := yes
	masks := e.data[f.faces/2 : f.faces] // behind two addresses their two masks
	const fragments = 0x01               // IPT_F_FRAG: for later fragments alone
	if bytes.Count(masks, []byte{0}) != len(masks) || f.name == "ip" && e.data[f.flags]&fragments != 0 {
		sure = maybe
	}
	inverted := e.data[f.invert]
	const invertIn, invertOut, invertProto = 0x01, 0x02, 0x40
	names := e.data[f.faces:]
	sure = sure.and(face(names[:16], names[32:48], inverted&invertIn != 0))
	sure = sure.and(face(names[16:32], names[48:64], inverted&invertOut != 0))
	proto := binary.NativeEndian.Uint16(e.data[f.proto:])
	if proto != 0 {
		sure = sure.and(truthOf((byte(proto) == p.proto) != (inverted&invertProto != 0)))
	}
	return sure
}

// face judges an interface by its name and mask: it may be any but the loopback.
func face(name, mask []byte, inverted bool) truth {
	if bytes.Count(mask, []byte{0}) == len(mask) {
		return yes
	}
	text, _, _ := bytes.Cut(name, []byte{0})
	if string(text) != "lo" {
		return maybe
	}
	return truthOf(inverted)
}

// marks implements rule.
func (e *legacyEntry) marks() (clamp, reverse bool) {
	for at := e.table.family.entry; at+extensionHead <= e.targetFrom; {
		size := int(binary.NativeEndian.Uint16(e.data[at:]))
		if size < extensionHead || at+size > e.targetFrom {
			break
		}
		reverse = reverse || extensionText(e.data[at:]) == "rpfilter" && strictReverse(e.data[at+extensionHead:at+size])
		at += size
	}
	return extensionText(e.data[e.targetFrom:]) == "TCPMSS", reverse
}
