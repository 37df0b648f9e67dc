// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package cpio writes the archive format that the kernel unpacks as its initial
// root: "newc", ASCII headers without checksums.
//
// Format: Documentation/driver-api/early-userspace/buffer-format.rst. Archives
// may follow one another in one file, so that the part that changes seldom is
// made once.
package cpio

import (
	"fmt"
	"io"
	"strings"
)

// The mode bits that an entry's kind needs (inode(7)).
const (
	typeDir  = 0o040000
	typeFile = 0o100000
	typeLink = 0o120000
)

// trailer is the name of the entry that ends an archive.
const trailer = "TRAILER!!!"

// align is the boundary, in bytes, that headers and contents begin on.
const align = 4

// Writer writes one archive. Every error is kept and told by Close, so that a
// caller may add many entries and look once.
type Writer struct {
	out   io.Writer
	inode uint32
	made  map[string]bool
	err   error
}

// NewWriter begins an archive on w, which must stand on a 4-byte boundary.
func NewWriter(w io.Writer) *Writer {
	return &Writer{out: w, made: map[string]bool{"": true}}
}

// Dir adds a directory and those above it. Adding one again does nothing.
func (w *Writer) Dir(name string) {
	name = strings.Trim(name, "/")
	if w.made[name] {
		return
	}
	if up := strings.LastIndexByte(name, '/'); up >= 0 {
		w.Dir(name[:up])
	}
	w.made[name] = true
	w.entry(name, typeDir|0o755, nil)
}

// File adds a file with its permission bits, and the directories above it.
func (w *Writer) File(name string, perm uint32, content []byte) {
	name = strings.Trim(name, "/")
	w.parent(name)
	w.entry(name, typeFile|perm, content)
}

// Link adds a symbolic link, and the directories above it.
func (w *Writer) Link(name, target string) {
	name = strings.Trim(name, "/")
	w.parent(name)
	w.entry(name, typeLink|0o777, []byte(target))
}

// Close ends the archive and gives the first error of all that was written.
func (w *Writer) Close() error {
	w.entry(trailer, 0, nil)
	if w.err != nil {
		return fmt.Errorf("write cpio archive: %w", w.err)
	}
	return nil
}

func (w *Writer) parent(name string) {
	if up := strings.LastIndexByte(name, '/'); up >= 0 {
		w.Dir(name[:up])
	}
}

// entry writes header, name and content. Fields in order: magic, inode, mode, uid,
// gid, links, mtime, size, four device numbers, name size, check. Times are zero,
// so that the same content gives the same archive.
func (w *Writer) entry(name string, mode uint32, content []byte) {
	w.inode++
	if uint64(len(content)) > 0xffffffff && w.err == nil {
		w.err = fmt.Errorf("%s is larger than the format's 4 GiB", name)
	}
	header := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		w.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	w.write([]byte(header + name + "\x00"))
	w.pad(len(header) + len(name) + 1)
	w.write(content)
	w.pad(len(content))
}

func (w *Writer) pad(written int) {
	if rest := written % align; rest != 0 {
		w.write(make([]byte, align-rest))
	}
}

func (w *Writer) write(p []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(p)
	}
}
