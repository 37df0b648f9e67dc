// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"errors"
	"slices"
)

// verdict is what a rule does.
type verdict int

const (
	next verdict = iota
	accept
	drop
	jump
	goTo
	leave
)

// step is a verdict with the chain that jump and goTo lead to.
type step struct {
	verdict verdict
	chain   string
}

// rule is one rule, of whatever kind of table.
type rule interface {
	// judge gives everything that the rule may do to a packet: more than one step
	// where that depends on what is not known.
	judge(p *packet) []step
	// name says which rule it is, in words.
	name() string
	// marks tells whether it rewrites the MSS, or looks up the way back.
	marks() (clamp, reverse bool)
}

// outcome is a set of what may become of a packet in a chain.
type outcome uint8

const (
	accepted outcome = 1 << iota
	dropped
	fell // came out at the end
)

// Bounds of a walk: chains in each other as the kernel has them (NFT_JUMP_STACK_SIZE),
// and rules in all, far beyond what a person or kube-proxy makes a filter of.
const (
	maxDepth = 16
	maxRules = 100_000
)

var errTooLarge = errors.New("more rules than are followed")

// walker follows one packet through one base chain.
type walker struct {
	base   base
	packet packet
	known  map[string]outcome
	rules  int
	// where is the rule that drops, the latest to be met.
	where  string
	clamps bool
	// reverse names the first rule that asks for the way back and acts on it.
	reverse string
}

func (w *walker) fate() (Fate, error) {
	result, err := w.through(w.base.place.Chain, 0)
	if err != nil {
		return Fate{}, err
	}
	if result&fell != 0 {
		result |= w.settle()
	}
	fate := Fate{Drops: result&dropped != 0, Passes: result&accepted != 0}
	if fate.Drops {
		fate.At = w.base.place
		fate.At.Rule = w.where
	}
	return fate, nil
}

func (w *walker) settle() outcome {
	if w.base.policy.verdict == drop {
		w.where = "its policy"
		return dropped
	}
	return accepted
}

// through follows the packet through a chain. A chain is walked once: it does the same
// from wherever it is entered.
func (w *walker) through(name string, depth int) (outcome, error) {
	if result, ok := w.known[name]; ok {
		return result, nil
	}
	if depth > maxDepth {
		return 0, errTooLarge
	}
	rules, err := w.base.source.chain(name)
	if err != nil {
		return 0, err
	}
	if w.rules += len(rules); w.rules > maxRules {
		return 0, errTooLarge
	}
	var result outcome
	for _, r := range rules {
		here, err := w.one(r, depth)
		if err != nil {
			return 0, err
		}
		result |= here &^ goesOn
		if here&goesOn == 0 {
			w.known[name] = result
			return result, nil
		}
	}
	result |= fell
	w.known[name] = result
	return result, nil
}

// goesOn says that the packet may reach the next rule.
const goesOn outcome = 1 << 7

func (w *walker) one(r rule, depth int) (outcome, error) {
	clamp, reverse := r.marks()
	w.clamps = w.clamps || clamp
	var result outcome
	for _, s := range r.judge(&w.packet) {
		if reverse && s.verdict != next && w.reverse == "" {
			w.reverse = r.name()
		}
		switch s.verdict {
		case next:
			result |= goesOn
		case accept:
			result |= accepted
		case drop:
			w.where = r.name()
			result |= dropped
		case leave:
			result |= fell
		case jump, goTo:
			inside, err := w.through(s.chain, depth+1)
			if err != nil {
				return 0, err
			}
			if s.verdict == jump && inside&fell != 0 {
				inside = inside&^fell | goesOn
			}
			result |= inside
		}
	}
	return result, nil
}

// merge adds the base chain to the lists that it belongs on, once.
func (w *walker) merge(v *View) {
	if w.clamps && !slices.Contains(v.Clamps, w.base.place) {
		v.Clamps = append(v.Clamps, w.base.place)
	}
	at := w.base.place
	at.Rule = w.reverse
	if w.reverse != "" && !slices.Contains(v.reverse[w.packet.six], at) {
		v.reverse[w.packet.six] = append(v.reverse[w.packet.six], at)
	}
}
