// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"os"
	"slices"
)

// maxSymbols bounds the cache. A kernel drops packets in a few hundred places, a
// host in a few of them.
const maxSymbols = 256

// The room that a kernel's list needs, so that it is not made larger again and again.
const (
	manySymbols = 1 << 16
	manyNames   = 3 << 19
)

// padding begins the names of what stands before functions for others to patch
// (CONFIG_PREFIX_SYMBOLS, since 6.2): half of the list, and no code that drops anything.
const padding = "__pfx_"

// maxFunction bounds how far into a function an address may lie: beyond it, the
// address belongs to code that the list does not show.
const maxFunction = 1 << 20

// symbols names code addresses. The kernel's list is read ahead of the first question: a
// pass over its 122,000 lines takes 60 ms, and half a second on a busy host, for which the
// events behind it would wait. It takes 2.5 MB.
type symbols struct {
	open func() (io.ReadCloser, error)
	// modules gives the list of loaded modules: a change moves or adds symbols.
	modules func() string
	loaded  string // with which modules the list was read
	known   map[uint64]string
	places  []symbol // in order
	names   []byte
}

// symbol is where a piece of code begins, and where its name stands among the names.
type symbol struct {
	at           uint64
	name, length uint32
}

// newSymbols reads the list at once.
func newSymbols(open func() (io.ReadCloser, error), modules func() string) *symbols {
	s := &symbols{open: open, modules: modules, known: map[uint64]string{}}
	s.load()
	return s
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

// listModules gives /proc/modules, "" where there is none.
func listModules() string {
	text, _ := os.ReadFile("/proc/modules") // a kernel without modules has no such file
	return string(text)
}

// load reads the list. It is not sorted, as modules follow the kernel's own.
func (s *symbols) load() {
	s.loaded = s.modules()
	if s.places == nil {
		s.places, s.names = make([]symbol, 0, manySymbols), make([]byte, 0, manyNames)
	}
	s.places, s.names = s.places[:0], s.names[:0]
	eachSymbol(s.open, func(at uint64, name []byte) {
		if bytes.HasPrefix(name, []byte(padding)) {
			return
		}
		s.places = append(s.places, symbol{at, uint32(len(s.names)), uint32(len(name))})
		s.names = append(s.names, name...)
	})
	slices.SortStableFunc(s.places, func(a, b symbol) int { return cmp.Compare(a.at, b.at) })
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
	if s.modules() != s.loaded {
		clear(s.known)
		s.load()
	}
	name := s.find(address)
	s.known[address] = name
	return name
}

// find looks for the nearest symbol at or below address, the first of several names. The
// list shows zeros to whom kptr_restrict hides it from.
func (s *symbols) find(address uint64) string {
	i, exact := slices.BinarySearchFunc(s.places, address, func(p symbol, at uint64) int { return cmp.Compare(p.at, at) })
	if !exact {
		i--
	}
	if i < 0 || address-s.places[i].at > maxFunction {
		return ""
	}
	for i > 0 && s.places[i-1].at == s.places[i].at {
		i--
	}
	p := s.places[i]
	return string(s.names[p.name : p.name+p.length])
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

// splitSymbol takes "ADDRESS TYPE NAME [MODULE]" apart; 0 for what is not code. It allocates
// nothing: a kernel has 180,000 lines.
func splitSymbol(line []byte) (uint64, []byte) {
	address, rest, _ := bytes.Cut(line, []byte{' '})
	kind, name, found := bytes.Cut(rest, []byte{' '})
	if !found || len(kind) != 1 || !bytes.ContainsAny(kind, "tTwW") {
		return 0, nil
	}
	name, _, _ = bytes.Cut(name, []byte{'\t'})
	return parseHex(address), name
}

// parseHex gives the number that lower-case hexadecimal digits stand for, 0 for others.
func parseHex(text []byte) uint64 {
	const longest = 16
	if len(text) > longest {
		return 0
	}
	var n uint64
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0
		}
	}
	return n
}
