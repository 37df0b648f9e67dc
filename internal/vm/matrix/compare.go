// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Skip is one thing that does not work on a kernel.
type Skip struct {
	// Key says what was asked: "rung HOOK/RUNG", "trap NAME", "lab NAME",
	// "replay NAME", "test PACKAGE/NAME", "host NAME", "refusal NAME".
	Key string
	// Why is empty where it works after all.
	Why string
}

// fullSight is doctor's word for a trap that misses nothing.
const fullSight = "sees"

// Asked gives all that the result has an answer to, in order, those that work too.
func (r Result) Asked() (all []Skip) {
	for _, rung := range r.Rungs {
		all = append(all, Skip{"rung " + rung.Hook + "/" + rung.Rung, rung.Why})
	}
	for _, t := range r.Traps {
		skip := Skip{Key: "trap " + t.Trap}
		if t.Sight != fullSight {
			skip.Why = t.Sight + ": " + strings.Join(t.Missing, "; ")
		}
		all = append(all, skip)
	}
	for _, s := range r.Scenarios {
		skip := Skip{Key: "lab " + s.Name}
		if len(s.Problems) > 0 {
			skip.Why = s.Verdict + ": " + strings.Join(s.Problems, "; ")
		}
		all = append(all, skip)
	}
	for _, p := range r.Replays {
		all = append(all, Skip{"replay " + p.Name, p.Why})
	}
	for _, t := range r.Tests {
		all = append(all, Skip{"test " + t.Name, t.Why})
	}
	for _, h := range r.Hosts {
		all = append(all, Skip{"host " + h.Name, h.why()})
	}
	for _, f := range r.Refusals {
		all = append(all, Skip{"refusal " + f.Name, f.Why})
	}
	return all
}

// why says what a host keeps from being seen, hooks with one reason together.
func (h Host) why() string {
	if h.Problem != "" {
		return h.Problem
	}
	var hooks []Skip
	for _, blind := range h.Blind {
		name, reason, _ := strings.Cut(blind, ": ")
		hooks = append(hooks, Skip{name, reason})
	}
	var words []string
	for _, g := range Grouped(hooks) {
		words = append(words, g.Key+": "+g.Why)
	}
	return strings.Join(words, "; ")
}

// Skips gives what does not work.
func (r Result) Skips() []Skip {
	return slices.DeleteFunc(r.Asked(), func(s Skip) bool { return s.Why == "" })
}

// FormatSkips writes the golden: a line each, "KEY: WHY".
func FormatSkips(skips []Skip) string {
	var b strings.Builder
	for _, s := range skips {
		fmt.Fprintf(&b, "%s: %s\n", s.Key, strings.ReplaceAll(s.Why, "\n", " "))
	}
	return b.String()
}

// Grouped gives the skips with those of one reason together, for people to read: a
// kernel that refuses everything refuses it once.
func Grouped(skips []Skip) (grouped []Skip) {
	for _, s := range skips {
		at := slices.IndexFunc(grouped, func(g Skip) bool { return g.Why == s.Why })
		if at < 0 {
			grouped = append(grouped, s)
		} else {
			grouped[at].Key += ", " + s.Key
		}
	}
	return grouped
}

// ParseSkips reads the golden. Empty lines and those that begin with # are for
// people.
func ParseSkips(text string) (skips []Skip) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, why, _ := strings.Cut(line, ": ")
		skips = append(skips, Skip{key, why})
	}
	return skips
}

// Unexpected compares a run with the list of what is known not to work: what is
// new, and what of the list works now. The reasons' wording decides nothing.
func Unexpected(r Result, known []Skip) (problems []string) {
	var fresh []Skip
	for _, s := range r.Asked() {
		listed := slices.ContainsFunc(known, func(k Skip) bool { return k.Key == s.Key })
		switch {
		case s.Why != "" && !listed:
			fresh = append(fresh, s)
		case s.Why == "" && listed:
			problems = append(problems, "works now: "+s.Key+": take it off the list")
		}
	}
	for _, s := range Grouped(fresh) {
		problems = append(problems, "new: "+s.Key+": "+s.Why)
	}
	return problems
}

// Ladder tells hooks that left to themselves do not stand on the first rung that
// attaches when forced.
func Ladder(r Result) (problems []string) {
	best := map[string]string{}
	for _, rung := range r.Rungs {
		if rung.Why == "" && best[rung.Hook] == "" {
			best[rung.Hook] = rung.Rung
		}
	}
	for _, rung := range r.Rungs {
		name := rung.Hook
		stands, asked := r.Stands[name]
		if want, ok := best[name]; asked && ok && stands != want {
			problems = append(problems, fmt.Sprintf("ladder: %s stands on %q, though %s attaches", name, stands, want))
			delete(best, name)
		}
	}
	return problems
}

// growth is how many percent more the verifier may walk before it needs a word.
const growth = 10

// Budget compares the verifier's work with the kept result's. On another release
// of the kernel the verifier itself may have changed: that is told, not failed.
func Budget(r, kept Result) (problems, notes []string) {
	for _, name := range slices.Sorted(maps.Keys(r.Instructions)) {
		now, was := r.Instructions[name], kept.Instructions[name]
		if was == 0 || uint64(now)*100 <= uint64(was)*(100+growth) {
			continue
		}
		line := fmt.Sprintf("budget: %s: the verifier walks %d instructions, %d before", name, now, was)
		if r.Release == kept.Release {
			problems = append(problems, line)
		} else {
			notes = append(notes, line+" on "+kept.Release)
		}
	}
	return problems, notes
}
