// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package columns

import (
	"strings"
	"unicode"
)

// style is a list of SGR codes (ECMA-48, 8.3.117), each followed by a semicolon.
type style string

const (
	plain  style = ""
	bold   style = "1;"
	dim    style = "2;"
	red    style = "31;"
	green  style = "32;"
	yellow style = "33;"
	blue   style = "34;"
	cyan   style = "36;"
)

// paint never colours the spaces that fill a column: some terminals underline them.
func (p *page) paint(s style, text string) string {
	body := strings.TrimRight(text, " ")
	if !p.Color || s == plain || body == "" {
		return text
	}
	return "\x1b[" + strings.TrimSuffix(string(s), ";") + "m" + body + "\x1b[0m" + text[len(body):]
}

// pad fills text up to a column, with one space at least.
func pad(text string, column int) string {
	return text + strings.Repeat(" ", max(1, column-columnsOf(text)))
}

// wrap breaks text at spaces into lines of at most room columns; a word that is
// longer stands alone and is broken. Room 0 never breaks.
func wrap(text string, room int) []string {
	if room <= 0 || columnsOf(text) <= room {
		return []string{text}
	}
	var lines []string
	line, used := "", 0
	for _, word := range strings.Split(text, " ") {
		size := columnsOf(word)
		if used > 0 && used+1+size > room {
			lines = append(lines, line)
			line, used = "", 0
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		for size > room {
			head := headOf(word, room-used)
			lines = append(lines, line+head)
			word, line, used = word[len(head):], "", 0
			size = columnsOf(word)
		}
		line, used = line+word, used+size
	}
	return append(lines, line)
}

// headOf gives as much of the beginning as fits, one character at least.
func headOf(text string, room int) string {
	used := 0
	for i, r := range text {
		used += columnsOfRune(r)
		if used > room && i > 0 {
			return text[:i]
		}
	}
	return text
}

func columnsOf(text string) int {
	n := 0
	for _, r := range text {
		n += columnsOfRune(r)
	}
	return n
}

// columnsOfRune is what terminals do in the main: marks stand on the character before
// them, the scripts of East Asia take two columns. A rare wrong guess costs a line
// that breaks a little early or late.
func columnsOfRune(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana):
		return 2
	default:
		return 1
	}
}
