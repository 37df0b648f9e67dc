// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package matrix says what is run on every kernel, what came of it, and whether
// that is what was expected.
//
// For each kernel the tree keeps two files in testdata: the results as they were
// last accepted (NAME.json), of which docs/kernels.md is made, and the list of what
// does not work there (NAME.skips), one line each with the reason. A run that
// finds anything not on the list fails, and so does one that finds a listed thing
// to work.
package matrix

import "time"

// Result is all that one kernel was asked.
type Result struct {
	Kernel  string `json:"kernel"`
	Release string `json:"release"`
	// Rungs are the hook table's, each forced.
	Rungs []Rung `json:"rungs"`
	// Stands says on which rung each hook stands when left to itself.
	Stands map[string]string `json:"stands"`
	// Instructions is how many the verifier walked, by program; none before 5.16.
	Instructions map[string]uint32 `json:"verified_instructions,omitempty"`
	Traps        []Trap            `json:"traps"`
	Scenarios    []Scenario        `json:"scenarios,omitempty"`
	// Replays are the kept recordings, replayed.
	Replays []Replay `json:"replays,omitempty"`
	// Tests are the privileged tests, run on that kernel.
	Tests []Test `json:"tests,omitempty"`
	// Hosts are the barer hosts that doctor was run on.
	Hosts []Host `json:"hosts,omitempty"`
	// Refusals are the hosts on which the agent must not start.
	Refusals []Refusal `json:"refusals,omitempty"`
	// Processor is what each job took of the host's processors, by its name, in seconds.
	// A busy host makes a run longer, and not this.
	Processor map[string]float64 `json:"processor_seconds,omitempty"`
	// Wall is what it all took, on the host; it is told, not kept.
	Wall time.Duration `json:"-"`
}

// Rung is one rung of one hook, forced.
type Rung struct {
	Hook string `json:"hook"`
	Rung string `json:"rung"`
	// Why says why it did not attach, "" where it did.
	Why string `json:"why,omitempty"`
	// Nanoseconds is what a run cost under the tests' traffic, 0 where it was not
	// measured. Under emulation it compares with its like only.
	Nanoseconds uint64 `json:"nanoseconds,omitempty"`
}

// Trap is how well a trap is seen.
type Trap struct {
	Trap    string   `json:"trap"`
	Sight   string   `json:"sight"`
	Missing []string `json:"missing,omitempty"`
}

// Scenario is one lab scenario.
type Scenario struct {
	Name     string `json:"name"`
	Expected string `json:"expected"`
	// Verdict is the lab's; "error" where the lab itself did not end well.
	Verdict string `json:"verdict"`
	// Problems are all that was not as promised, none where all was.
	Problems []string `json:"problems,omitempty"`
}

// Replay is one recording.
type Replay struct {
	Name string `json:"name"`
	// Why says how what it gave differs from what it must give, "" where it does not.
	Why string `json:"why,omitempty"`
}

// Test is one test of a package.
type Test struct {
	Name string `json:"name"`
	// Why is what it said where it did not pass, "" where it did.
	Why string `json:"why,omitempty"`
}

// Host is a host that lacks something ordinary.
type Host struct {
	// Name says what it lacks.
	Name string `json:"name"`
	// Blind are the hooks that see less there than on the ordinary host, each
	// with why.
	Blind []string `json:"blind,omitempty"`
	// Problem says why doctor failed, "" where it did not.
	Problem string `json:"problem,omitempty"`
}

// Refusal is a host that lacks what the agent cannot do without.
type Refusal struct {
	// Name says what it lacks, Says is the line that the agent ended with.
	Name string `json:"name"`
	Says string `json:"says"`
	// Why says what was wrong with that, "" where it was right.
	Why string `json:"why,omitempty"`
}
