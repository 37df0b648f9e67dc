// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// text is one string whose length others choose, and what it was at full length.
type text struct {
	at   *string
	full string
}

func (d *Document) texts() []text {
	t := &d.Trapbpf
	at := []*string{
		&d.Message, &d.Event.Reason, &d.Process.Name, &d.Process.Executable, &d.Container.ID,
		&d.Container.Name, &d.Orchestrator.Namespace, &d.Orchestrator.Resource.Name, &d.Orchestrator.Resource.ID, &t.Unit,
		&d.Host.Name, &d.Host.OS.Kernel, &d.Host.Architecture, &d.Observer.Version,
		&d.Observer.Ingress.Interface.Name, &d.Observer.Egress.Interface.Name,
		&d.DNS.Question.Name, &d.DNS.Question.Type, &d.DNS.ResponseCode, &d.Error.Code, &t.Netns.Name,
	}
	if r := t.Route; r != nil {
		at = append(at, &r.Ingress, &r.Expected, &r.Back, &r.Reason, &r.SourceMAC)
	}
	if t.DNS != nil {
		at = append(at, &t.DNS.StaleIP, &t.DNS.Resolver, &t.DNS.OtherResolver)
	}
	if t.Ports != nil {
		at = append(at, &t.Ports.Range, &t.Ports.Reserved)
	}
	texts := make([]text, len(at))
	for i, s := range at {
		texts[i] = text{s, *s}
	}
	return texts
}

// shorten cuts all text but commands and addresses to size encoded bytes. It cuts
// what was there at first, so that what it says is missing is true.
func shorten(size int, texts []text, lists []*list) {
	for _, t := range texts {
		*t.at = cut(t.full, size)
	}
	for _, l := range lists {
		if l.command || l.addresses {
			continue
		}
		short := make([]string, len(*l.entries))
		for i := range short {
			short[i] = cut(l.full[i], size)
		}
		l.set(short)
	}
}

// cut keeps whole characters of s that encode to at most size bytes, and says how
// many bytes of s it left out.
func cut(s string, size int) string {
	if encodedSize(s) <= size {
		return s
	}
	used := 0
	for i, r := range s {
		used += runeSize(s[i:], r)
		if used > size {
			return s[:i] + fmt.Sprintf("… (%d bytes more)", len(s)-i)
		}
	}
	return s
}

// encodedSize is how many bytes EncodeJSON writes for s between the quotes.
func encodedSize(s string) int {
	size := 0
	for i, r := range s {
		size += runeSize(s[i:], r)
	}
	return size
}

func runeSize(s string, r rune) int {
	const escape, pair = len(`\u0000`), len(`\ud800\udc00`)
	switch {
	case r == '"', r == '\\', r == '\b', r == '\f', r == '\n', r == '\r', r == '\t':
		return len(`\"`)
	case r == utf8.RuneError && invalidAt(s):
		return escape
	case unicode.IsPrint(r):
		return utf8.RuneLen(r)
	case r > 0xffff:
		return pair
	default:
		return escape
	}
}
