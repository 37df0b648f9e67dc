// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import "strings"

// plain are the bytes that no POSIX shell treats specially in an argument.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,@%+"

// Quote gives a word as POSIX shell reads it back unchanged.
func Quote(word string) string { return quote(word) }

// quote gives a word as POSIX shell reads it back unchanged (XCU 2.2.2: nothing
// is special between single quotes).
func quote(word string) string {
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
