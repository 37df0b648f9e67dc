// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package nearest finds the word that somebody probably meant.
package nearest

import "fmt"

// Of gives the known word that is most like word, "" where none is alike enough
// to be meant: more than about a third of its letters differ.
func Of(word string, known []string) string {
	best, distance := "", (len(word)+2)/3+1
	for _, k := range known {
		if d := Distance(word, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// Hint ends an error about a word: with the one that was probably meant, else with what
// to do.
func Hint(word string, known []string, otherwise string) string {
	if near := Of(word, known); near != "" {
		return fmt.Sprintf(": did you mean %q?", near)
	}
	return ": " + otherwise
}

// Distance counts the insertions, deletions and substitutions of bytes that turn
// a into b (Levenshtein; Wagner and Fischer 1974, one row kept).
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
