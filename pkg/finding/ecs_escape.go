// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Names of processes, interfaces and hosts come from whoever chose them. What does
// not print can do more than look odd: C0 and C1 controls and DEL command a
// terminal, bidirectional overrides show text in another order than it has, zero
// width characters make two names look like one. So the rule is one: what
// unicode.IsPrint refuses is never written as it is.

// Printable gives s with everything that does not print, newlines and invalid UTF-8
// included, as a visible Go escape: \x1b, \n, \u202e, \xff. A backslash stays as it
// is, so the result is for eyes, not for reading back.
func Printable(s string) string {
	if isPrintable(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		b.WriteString(visible(s[i:], r))
	}
	return b.String()
}

func isPrintable(s string) bool {
	for i, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError && invalidAt(s[i:]) {
			return false
		}
	}
	return true
}

// visible shows the first rune of s, which is r.
func visible(s string, r rune) string {
	switch {
	case r == utf8.RuneError && invalidAt(s):
		return fmt.Sprintf(`\x%02x`, s[0])
	case unicode.IsPrint(r):
		return string(r)
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r == '\r':
		return `\r`
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	default:
		return fmt.Sprintf(`\u%04x`, r)
	}
}

// invalidAt tells a byte that is no UTF-8 from a real U+FFFD.
func invalidAt(s string) bool {
	_, size := utf8.DecodeRuneInString(s)
	return size <= 1
}

// harmless escapes in JSON text what json leaves as it is and does not print. Such
// runes occur only inside strings, where \u means the same.
func harmless(text []byte) []byte {
	first := firstUnprintable(text)
	if first == len(text) {
		return text
	}
	out := append(make([]byte, 0, len(text)+64), text[:first]...)
	for rest := text[first:]; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if unicode.IsPrint(r) {
			out = append(out, rest[:size]...)
		} else {
			out = appendEscape(out, r)
		}
		rest = rest[size:]
	}
	return out
}

func firstUnprintable(text []byte) int {
	for i := 0; i < len(text); {
		if text[i] >= ' ' && text[i] < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if !unicode.IsPrint(r) {
			return i
		}
		i += size
	}
	return len(text)
}

// appendEscape writes \uXXXX, as a surrogate pair above the basic plane (RFC 8259, 7).
func appendEscape(dst []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
		return fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}
