// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// context is how many equal lines are shown around a difference.
const context = 2

// widest is how many bytes of a line are shown; of a longer one the part around its
// first difference.
const widest = 160

// Diff gives the lines that differ, "-" before want's and "+" before got's, with a
// little of what is equal around them. It gives "" where both are the same.
func Diff(want, got string) string {
	if want == got {
		return ""
	}
	a, b := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	var out strings.Builder
	head := equalHead(a, b)
	tail := equalTail(a[head:], b[head:])
	for _, line := range a[max(0, head-context):head] {
		show(&out, ' ', line, "")
	}
	changes(&out, a[head:len(a)-tail], b[head:len(b)-tail])
	for _, line := range a[len(a)-tail : min(len(a), len(a)-tail+context)] {
		show(&out, ' ', line, "")
	}
	return out.String()
}

func equalHead(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func equalTail(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// changes walks the longest common subsequence of both middles.
func changes(out *strings.Builder, a, b []string) {
	common := commonLengths(a, b)
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			show(out, ' ', a[i], "")
			i, j = i+1, j+1
		case common[i+1][j] == common[i][j+1]:
			show(out, '-', a[i], b[j])
			show(out, '+', b[j], a[i])
			i, j = i+1, j+1
		case common[i+1][j] > common[i][j+1]:
			show(out, '-', a[i], "")
			i++
		default:
			show(out, '+', b[j], "")
			j++
		}
	}
	for ; i < len(a); i++ {
		show(out, '-', a[i], "")
	}
	for ; j < len(b); j++ {
		show(out, '+', b[j], "")
	}
}

// commonLengths gives, for every pair of places, how many lines the rests from
// there have in common.
func commonLengths(a, b []string) [][]int {
	lengths := make([][]int, len(a)+1)
	lengths[len(a)] = make([]int, len(b)+1)
	for i := len(a) - 1; i >= 0; i-- {
		lengths[i] = make([]int, len(b)+1)
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				lengths[i][j] = lengths[i+1][j+1] + 1
			} else {
				lengths[i][j] = max(lengths[i+1][j], lengths[i][j+1])
			}
		}
	}
	return lengths
}

// show writes one line, quoted where it would not print, and only the part around
// the first difference to other where it is long.
func show(out *strings.Builder, mark byte, line, other string) {
	text, ended := strings.CutSuffix(line, "\n")
	if line == "" {
		return
	}
	text = around(text, other)
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		text = strconv.Quote(text)
	}
	fmt.Fprintf(out, "%c %s\n", mark, text)
	if !ended {
		out.WriteString("\\ no newline at the end\n")
	}
}

func around(line, other string) string {
	if len(line) <= widest {
		return line
	}
	at := 0
	for other != "" && at < len(line) && at < len(other) && line[at] == other[at] {
		at++
	}
	start := max(0, min(at-widest/2, len(line)-widest))
	return fmt.Sprintf("[%d] %s", start, line[start:start+widest])
}
