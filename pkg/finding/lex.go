// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"errors"
	"strings"
)

// word is one word of a shell line, quotes taken off, and where it ends.
type word struct {
	text string
	end  int
}

// special are the bytes that mean something to a POSIX shell outside quotes (XCU
// 2.2, 2.6.1 and 2.13), so that what follows is more than words.
const special = "|&;<>()$`*?[]#~!{}\n"

// lex splits a line into words as a POSIX shell does, as long as they are plain:
// without operators, expansions, globs and comments. At the first of these it stops
// and whole is false. An unfinished quote is an error.
func lex(line string) (words []word, whole bool, err error) {
	for at := skipBlanks(line, 0); at < len(line); at = skipBlanks(line, at) {
		text, end, plain, err := lexWord(line, at)
		if err != nil || !plain {
			return words, false, err
		}
		words = append(words, word{text, end})
		at = end
	}
	return words, true, nil
}

func skipBlanks(line string, at int) int {
	for at < len(line) && (line[at] == ' ' || line[at] == '\t') {
		at++
	}
	return at
}

// lexWord reads the word that begins at a byte that is no blank.
func lexWord(line string, at int) (text string, end int, plain bool, err error) {
	var out strings.Builder
	for at < len(line) && line[at] != ' ' && line[at] != '\t' {
		switch c := line[at]; {
		case c == '\'' || c == '"':
			inner, ok := untilQuote(line[at+1:], c)
			if !ok {
				return "", at, false, errors.New("parse step: a quote is not closed")
			}
			if c == '"' && strings.ContainsAny(inner, "$`\\") {
				return "", at, false, nil
			}
			out.WriteString(inner)
			at += len(inner) + 2
		case c == '\\' && at+1 < len(line) && line[at+1] != '\n':
			out.WriteByte(line[at+1])
			at += 2
		case c == '\\' || strings.IndexByte(special, c) >= 0:
			return "", at, false, nil
		default:
			out.WriteByte(c)
			at++
		}
	}
	return out.String(), at, true, nil
}

func untilQuote(s string, quote byte) (inner string, closed bool) {
	end := strings.IndexByte(s, quote)
	if end < 0 {
		return "", false
	}
	return s[:end], true
}
