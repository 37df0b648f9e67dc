// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"io"
	"strings"
	"testing"
)

const someSymbols = `ffffffff81000000 T _text
ffffffff81000100 t ip_rcv_finish_core
ffffffff81000180 d some_data
ffffffff81000200 T kfree_skb_reason
ffffffffa0000000 t nf_hook	[nf_tables]
ffffffff81000150 W weak_one
`

// listOf gives a list of symbols and counts how often it is read.
func listOf(text string, reads *int) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		*reads++
		return io.NopCloser(strings.NewReader(text)), nil
	}
}

func TestAddressIsNamedByTheFunctionThatHoldsIt(t *testing.T) {
	tests := map[uint64]string{
		0:                  "",
		0xffffffff80ffffff: "",
		0xffffffff81000100: "ip_rcv_finish_core",
		0xffffffff8100014f: "ip_rcv_finish_core",
		0xffffffff81000190: "weak_one", // data is no code
		0xffffffff81000204: "kfree_skb_reason",
		0xffffffffa0000010: "nf_hook",
		0xffffffffb0000000: "", // too far from any
	}
	reads := 0
	s := newSymbols(listOf(someSymbols, &reads), noModules)
	for address, want := range tests {
		if got := s.name(address); got != want {
			t.Errorf("%#x: %q, want %q", address, got, want)
		}
	}
}

func noModules() string { return "" }

func TestListIsReadOnceAndAgainWhenModulesChange(t *testing.T) {
	reads, modules := 0, "nf_tables 1"
	s := newSymbols(listOf(someSymbols, &reads), func() string { return modules })
	for range 10 {
		s.name(0xffffffff81000100)
		s.name(0xffffffffb0000000)
	}
	if reads != 1 {
		t.Errorf("the list was read %d times for 2 addresses", reads)
	}
	modules = "nf_tables 1\nvxlan 1"
	if got := s.name(0xffffffffa0000010); got != "nf_hook" || reads != 2 {
		t.Errorf("with another module it was read %d times, and gave %q", reads, got)
	}
}

func TestHiddenSymbolsGiveNoName(t *testing.T) {
	reads := 0
	hidden := newSymbols(listOf("0000000000000000 T _text\n0000000000000000 t ip_rcv\n", &reads), noModules)
	missing := newSymbols(func() (io.ReadCloser, error) { return nil, errors.New("no such file") }, noModules)
	for name, s := range map[string]*symbols{"zeros": hidden, "no file": missing} {
		if got := s.name(0xffffffff81000100); got != "" {
			t.Errorf("%s: named %q", name, got)
		}
	}
}

func TestAnyNumberOfAddressesIsKeptInBoundedSpace(t *testing.T) {
	reads := 0
	s := newSymbols(listOf("", &reads), noModules)
	for n := range uint64(3 * maxSymbols) {
		s.name(n + 1)
		if len(s.known) > maxSymbols {
			t.Fatalf("%d addresses kept, want at most %d", len(s.known), maxSymbols)
		}
	}
}
