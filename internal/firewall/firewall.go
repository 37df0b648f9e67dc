// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package firewall tells what netfilter would do with the packets that matter to path
// MTU discovery and to connections of which only one half is seen, without sending
// any: it reads the rules and walks them as the kernel would.
//
// A rule may depend on what nobody knows of such a packet: its addresses, its
// interface. Then both ways are followed. So an answer is one of three: it passes,
// it is dropped, it depends.
package firewall

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Hook is a place in the kernel where chains are entered.
type Hook string

// The hooks of the IP families.
const (
	Prerouting  Hook = "prerouting"
	Input       Hook = "input"
	Forward     Hook = "forward"
	Output      Hook = "output"
	Postrouting Hook = "postrouting"
)

// Place is where a packet is dropped.
type Place struct {
	// Family, Table and Chain name the base chain: "inet", "filter", "input". A chain of
	// the older iptables has the family "ip" or "ip6" and Legacy set.
	Family, Table, Chain string
	Hook                 Hook
	Priority             int32
	Legacy               bool
	// Rule says which rule it is in words, "its policy" where none decided.
	Rule string
}

// Fate is what becomes of a packet. Drops and Passes are both true where it depends.
type Fate struct {
	Drops, Passes bool
	// At is where it is dropped; zero where it never is.
	At Place
}

// Certain tells whether the packet is dropped whatever else is true of it.
func (f Fate) Certain() bool { return f.Drops && !f.Passes }

// View is what the rules of one namespace do.
type View struct {
	// Chains counts the base chains that can drop.
	Chains int
	fates  map[question]Fate
	// Clamps are the chains that rewrite the MSS.
	Clamps  []Place
	reverse map[bool][]Place // by whether IPv6
}

// Reverse gives the chains that ask of a family's packets whether the way back to their
// source leaves where they came in (nft fib, iptables rpfilter), and do something of it.
func (v *View) Reverse(six bool) []Place { return v.reverse[six] }

type question struct {
	hook Hook
	six  bool
	kind Kind
}

// Through gives a packet's fate on its way through several hooks: a drop in one chain
// is final, an accept is not.
func (v *View) Through(kind Kind, six bool, hooks ...Hook) Fate {
	way := Fate{Passes: true}
	for _, hook := range hooks {
		fate, known := v.fates[question{hook, six, kind}]
		if !known {
			continue
		}
		if fate.Drops && (!way.Drops || fate.Certain()) {
			way.At = fate.At
		}
		way.Drops = way.Drops || fate.Drops
		if fate.Certain() {
			way.Passes = false
			return way
		}
	}
	return way
}

// base is a chain that the kernel enters by itself.
type base struct {
	place  Place
	policy step
	source source
}

// source gives the chains of one table.
type source interface {
	chain(name string) ([]rule, error)
}

// Inspect reads the rules of the calling thread's namespace. Where some cannot be
// read, the error says so and the view holds what could.
func Inspect() (*View, error) {
	v := &View{fates: map[question]Fate{}, reverse: map[bool][]Place{}}
	bases, err := nftBases()
	if err != nil {
		err = fmt.Errorf("read nftables: %w", err)
	}
	old, oldErr := legacyBases()
	if oldErr != nil {
		err = errors.Join(err, fmt.Errorf("read iptables-legacy: %w", oldErr))
	}
	bases = append(bases, old...)
	slices.SortStableFunc(bases, func(a, b base) int { return cmp.Compare(a.place.Priority, b.place.Priority) })
	v.Chains = len(bases)
	for _, b := range bases {
		err = errors.Join(err, v.ask(b))
	}
	return v, err
}

// ask walks a base chain with every kind of packet that its family sees.
func (v *View) ask(b base) error {
	for _, six := range []bool{false, true} {
		if b.place.Family == "ip" && six || b.place.Family == "ip6" && !six {
			continue
		}
		for _, kind := range kinds() {
			w := walker{base: b, packet: newPacket(kind, six), known: map[string]outcome{}}
			fate, err := w.fate()
			if err != nil {
				return fmt.Errorf("walk chain %s %s %s: %w", b.place.Family, b.place.Table, b.place.Chain, err)
			}
			v.merge(question{b.place.Hook, six, kind}, fate)
			w.merge(v)
		}
	}
	return nil
}

// merge joins the fates in several chains of one hook.
func (v *View) merge(q question, fate Fate) {
	before, known := v.fates[q]
	if !known {
		v.fates[q] = fate
		return
	}
	if before.Certain() {
		return
	}
	if fate.Certain() || !before.Drops {
		v.fates[q] = fate
	}
}
