// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import "bytes"

// maxNames bounds the interner. A host has some hundred interface and command
// names; one that makes up more starts the table anew now and then.
const maxNames = 4096

// name is the kernel's form of an interface's or task's name: NUL-terminated.
type name = [16]byte

// interner gives the same string for the same name, without allocating.
type interner struct{ known map[name]string }

func newInterner() interner { return interner{known: map[name]string{}} }

func (i interner) text(raw *[16]uint8) string {
	if raw[0] == 0 {
		return ""
	}
	if known, ok := i.known[*raw]; ok {
		return known
	}
	if len(i.known) >= maxNames {
		clear(i.known)
	}
	end := bytes.IndexByte(raw[:], 0)
	if end < 0 {
		end = len(raw)
	}
	made := string(raw[:end])
	i.known[*raw] = made
	return made
}
