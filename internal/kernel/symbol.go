// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strconv"
)

// maxSymbols bounds the cache. A kernel drops packets in a few hundred places, a
// host in a few of them.
const maxSymbols = 256

// maxFunction bounds how far into a function an address may lie: beyond it, the
// address belongs to code that the list does not show.
const maxFunction = 1 << 20

// symbols names code addresses. One that was not asked before costs a pass over
// the kernel's list (60 ms for 122,000 lines), so answers are kept, also empty ones.
type symbols struct {
	open  func() (io.ReadCloser, error)
	known map[uint64]string
}

func newSymbols(open func() (io.ReadCloser, error)) *symbols {
	return &symbols{open: open, known: map[uint64]string{}}
}

// kallsyms is the kernel's list. Whether it shows addresses is decided when it is opened
// (CAP_SYSLOG), so it is opened once and read again from the beginning: the capability
// may be given up meanwhile. One goroutine reads it at a time.
type kallsyms struct{ file *os.File } // nil where there is none

func openKallsyms() kallsyms {
	file, err := os.Open("/proc/kallsyms")
	if err != nil {
		return kallsyms{} // nothing has a name
	}
	return kallsyms{file}
}

func (k kallsyms) open() (io.ReadCloser, error) {
	if k.file == nil {
		return nil, os.ErrNotExist
	}
	_, err := k.file.Seek(0, io.SeekStart)
	return io.NopCloser(k.file), err
}

func (k kallsyms) close() error {
	if k.file == nil {
		return nil
	}
	return k.file.Close()
}

// name gives the function that holds address, "" where the kernel does not tell.
func (s *symbols) name(address uint64) string {
	if address == 0 {
		return ""
	}
	if name, ok := s.known[address]; ok {
		return name
	}
	if len(s.known) >= maxSymbols {
		clear(s.known)
	}
	name := s.find(address)
	s.known[address] = name
	return name
}

// find looks for the nearest symbol at or below address. The list is not sorted
// (modules follow), and shows zeros to whom kptr_restrict hides it from.
func (s *symbols) find(address uint64) string {
	var best uint64
	var name string
	eachSymbol(s.open, func(at uint64, symbol []byte) {
		if at > best && at <= address {
			best, name = at, string(symbol)
		}
	})
	if best == 0 || address-best > maxFunction {
		return ""
	}
	return name
}

// eachSymbol calls f for every piece of code in the kernel's list, for none where it is
// hidden.
func eachSymbol(open func() (io.ReadCloser, error), f func(at uint64, symbol []byte)) {
	list, err := open()
	if err != nil {
		return
	}
	defer list.Close()
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		if at, symbol := splitSymbol(lines.Bytes()); at != 0 {
			f(at, symbol)
		}
	}
}

// splitSymbol takes "ADDRESS TYPE NAME [MODULE]" apart; 0 for what is not code.
func splitSymbol(line []byte) (uint64, []byte) {
	address, rest, _ := bytes.Cut(line, []byte{' '})
	if len(rest) < 3 || rest[1] != ' ' || !bytes.ContainsAny(rest[:1], "tTwW") {
		return 0, nil
	}
	at, err := strconv.ParseUint(string(address), 16, 64)
	if err != nil {
		return 0, nil
	}
	name, _, _ := bytes.Cut(rest[2:], []byte{'\t'})
	return at, name
}
