// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cef

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// longest is how many bytes a value has at most before it is escaped: what the CEF
// dictionary allows for msg and reason, and far below its 4000 for cs1 to cs6.
const longest = 1023

// extension appends key=value pairs. Values that say nothing are left out.
type extension struct {
	dst   []byte
	first bool
}

func (e *extension) text(key, value string) {
	if value == "" {
		return
	}
	if !e.first {
		e.dst = append(e.dst, ' ')
	}
	e.first = false
	e.dst = append(e.dst, key...)
	e.dst = append(e.dst, '=')
	e.dst = appendValue(e.dst, clip(value))
}

func (e *extension) number(key string, n uint64) {
	if n != 0 {
		e.text(key, strconv.FormatUint(n, 10))
	}
}

func (e *extension) millis(key string, at finding.Stamp) {
	if !at.IsZero() {
		e.text(key, strconv.FormatInt(at.Time().UnixMilli(), 10))
	}
}

// labelled writes one of CEF's custom fields with the label that names it.
func (e *extension) labelled(key, label, value string) {
	if value == "" {
		return
	}
	e.text(key+"Label", label)
	e.text(key, value)
}

// address writes an IPv4 address under the usual key. That key takes no IPv6
// address; CEF sets one of its four IPv6 fields aside for each end.
func (e *extension) address(key, key6, label string, end finding.Endpoint) {
	switch {
	case end.IP.Is4():
		e.text(key, end.IP.String())
	case end.IP.Is6():
		e.labelled(key6, label, end.IP.String())
	}
}

// appendHeader escapes what ends a header field, and what ends the line.
func appendHeader(dst []byte, field string) []byte {
	return appendEscaped(dst, clip(field), '|')
}

// appendValue escapes what starts the next key. Line breaks have an escape of
// their own in values, and only there.
func appendValue(dst []byte, value string) []byte {
	for {
		i := strings.IndexAny(value, "\n\r")
		if i < 0 {
			return appendEscaped(dst, value, '=')
		}
		dst = appendEscaped(dst, value[:i], '=')
		if value[i] == '\n' {
			dst = append(dst, `\n`...)
		} else {
			dst = append(dst, `\r`...)
		}
		value = value[i+1:]
	}
}

// appendEscaped writes a backslash before the separator and before a backslash.
// What does not print becomes a visible escape first: CEF has none for it, and a
// reader's terminal would obey it.
func appendEscaped(dst []byte, s string, separator byte) []byte {
	s = finding.Printable(s)
	for i := range len(s) {
		if s[i] == '\\' || s[i] == separator {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return dst
}

// clip cuts prose at a whole character.
func clip(s string) string {
	const more = "…"
	if len(s) <= longest {
		return s
	}
	end := longest - len(more)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}

func join(lines []string) string { return strings.Join(lines, "; ") }

// firstWhole gives the first command, or nothing where it is too long to go in
// whole: half a command is a wrong one.
func firstWhole(commands []string) string {
	if len(commands) == 0 || len(commands[0]) > longest {
		return ""
	}
	return commands[0]
}
