// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trapbpf/trapbpf/internal/vm/image"
)

// preface opens docs/kernels.md.
const preface = `# Kernels

Made by ` + "`make test-kernels`" + ` and ` + "`go run ./internal/vm/cmd/kernels table`" + ` from the results in
internal/vm/matrix/testdata; do not edit it by hand. Each column is a distribution's cloud kernel, booted under
emulation with the same static binary that ` + "`make build`" + ` gives.

The guest's clock counts its instructions, so what is found there does not hang on how busy the machine is. What it takes are
minutes of one of the host's processors, as measured job by job, in one run or in several: CI runs its part on the two ends alone,
a machine a processor; everything is run by hand. "over" where it is not known yet what some jobs take.

`

// Render writes docs/kernels.md: the results side by side, in the order given.
func Render(results []Result) string {
	var b strings.Builder
	b.WriteString(preface)
	writeReleases(&b, results)
	writeRungs(&b, results)
	writeTraps(&b, results)
	writeScenarios(&b, results)
	writeReplays(&b, results)
	writeTests(&b, results)
	writeHosts(&b, results)
	writeInstructions(&b, results)
	writeReasons(&b, results)
	return b.String()
}

func writeReleases(b *strings.Builder, results []Result) {
	b.WriteString("| kernel | release | CI's part, min | everything, min |\n|---|---|---|---|\n")
	var parts, wholes toll
	for _, r := range results {
		part, whole := taken(r, Plan{Brief: true, Bare: true}), taken(r, Plan{})
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", r.Kernel, r.Release, part, whole)
		if inCI(r) {
			parts = parts.plus(part)
		}
		wholes = wholes.plus(whole)
	}
	fmt.Fprintf(b, "| together | | %s | %s |\n", parts, wholes)
}

// inCI tells whether a kernel is among those that CI runs.
func inCI(r Result) bool {
	targets, err := image.Find("ci")
	return err == nil && slices.ContainsFunc(targets, func(t image.Target) bool { return t.Name() == r.Kernel })
}

// row is one line of a table: its name, and its cell for a kernel. An empty cell is
// a thing that was not asked there.
type row struct {
	name string
	cell func(r Result) string
}

func writeTable(b *strings.Builder, corner string, rows []row, results []Result) {
	fmt.Fprintf(b, "\n| %s |", corner)
	for _, r := range results {
		fmt.Fprintf(b, " %s |", r.Kernel)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(results)) + "\n")
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |", row.name)
		for _, r := range results {
			fmt.Fprintf(b, " %s |", row.cell(r))
		}
		b.WriteString("\n")
	}
}

// rowsOf makes the rows of one kind of answer: a row for each name that any kernel
// has, in the order of first sight.
func rowsOf[T any](results []Result, answers func(Result) []T, name func(T) string, cell func(Result, T) string) (rows []row) {
	seen := map[string]bool{}
	for _, r := range results {
		for _, answer := range answers(r) {
			title := name(answer)
			if seen[title] {
				continue
			}
			seen[title] = true
			rows = append(rows, row{title, func(r Result) string {
				all := answers(r)
				at := slices.IndexFunc(all, func(t T) bool { return name(t) == title })
				if at < 0 {
					return ""
				}
				return cell(r, all[at])
			}})
		}
	}
	return rows
}

func writeRungs(b *strings.Builder, results []Result) {
	b.WriteString("\n## Hooks and rungs\n\nEach rung is forced in turn. **stands**: where the agent stands when left to itself; yes: attaches, too;\nno: does not, for a reason named below.\n")
	rows := rowsOf(results,
		func(r Result) []Rung { return r.Rungs },
		func(x Rung) string { return x.Hook + ", " + x.Rung },
		func(r Result, x Rung) string {
			switch {
			case x.Why != "":
				return "no"
			case r.Stands[x.Hook] == x.Rung:
				return "**stands**"
			}
			return "yes"
		})
	writeTable(b, "hook, rung", rows, results)
}

func writeTraps(b *strings.Builder, results []Result) {
	b.WriteString("\n## Traps\n")
	rows := rowsOf(results,
		func(r Result) []Trap { return r.Traps },
		func(x Trap) string { return x.Trap },
		func(_ Result, x Trap) string { return x.Sight })
	writeTable(b, "trap", rows, results)
}

func writeScenarios(b *strings.Builder, results []Result) {
	b.WriteString("\n## Lab scenarios\n\nfound: the fault was found, its own fix was run, and the finding was resolved; silent: the innocent twin raised\nno alarm; anything else is named below. An empty cell was not asked there.\n")
	rows := rowsOf(results,
		func(r Result) []Scenario { return r.Scenarios },
		func(x Scenario) string { return x.Name },
		func(_ Result, x Scenario) string {
			if len(x.Problems) > 0 {
				return "**" + x.Verdict + "** (below)"
			}
			return x.Verdict
		})
	writeTable(b, "scenario", rows, results)
}

// writeReplays needs no row for each recording: they all give the same, or are
// named below.
func writeReplays(b *strings.Builder, results []Result) {
	b.WriteString("\n## Recordings\n\n`trapbpf replay` of the recordings in internal/trap/*/testdata gives the kept records, byte for byte.\n")
	same := row{"same records", func(r Result) string {
		if len(r.Replays) == 0 {
			return ""
		}
		same := 0
		for _, p := range r.Replays {
			if p.Why == "" {
				same++
			}
		}
		return fmt.Sprintf("%d of %d", same, len(r.Replays))
	}}
	writeTable(b, "replayed", []row{same}, results)
}

func writeTests(b *strings.Builder, results []Result) {
	b.WriteString("\n## Privileged tests\n\nThat every rung sees what it should; more than that it attaches.\n")
	rows := rowsOf(results,
		func(r Result) []Test { return r.Tests },
		func(x Test) string { return x.Name },
		func(_ Result, x Test) string {
			if x.Why != "" {
				return "**no** (below)"
			}
			return "passes"
		})
	writeTable(b, "test", rows, results)
}

func writeHosts(b *strings.Builder, results []Result) {
	b.WriteString("\n## Barer hosts\n\n`doctor` where something ordinary is missing. same: every hook stands where it stands otherwise.\n")
	rows := rowsOf(results,
		func(r Result) []Host { return r.Hosts },
		func(x Host) string { return x.Name },
		func(_ Result, x Host) string {
			switch {
			case x.Problem != "":
				return "refused"
			case len(x.Blind) > 0:
				return fmt.Sprintf("%d hooks lower", len(x.Blind))
			}
			return "same"
		})
	rows = append(rows, rowsOf(results,
		func(r Result) []Refusal { return r.Refusals },
		func(x Refusal) string { return x.Name },
		func(_ Result, x Refusal) string {
			if x.Why != "" {
				return "**wrong** (below)"
			}
			return "refused"
		})...)
	writeTable(b, "host", rows, results)
	writeRefusals(b, results)
}

// writeRefusals tells each line that the agent refuses with, once.
func writeRefusals(b *strings.Builder, results []Result) {
	told := map[string]bool{}
	for _, r := range results {
		for _, f := range r.Refusals {
			if line := fmt.Sprintf("- %s: `%s`\n", f.Name, f.Says); f.Why == "" && !told[line] {
				if len(told) == 0 {
					b.WriteString("\nrefused: the agent cannot start, and says so in one line:\n\n")
				}
				told[line] = true
				b.WriteString(line)
			}
		}
	}
}

func writeInstructions(b *strings.Builder, results []Result) {
	b.WriteString("\n## What the verifier walks\n\nInstructions per program, where the kernel tells (5.16). A growth over 10% needs a word in the same commit.\n")
	rows := rowsOf(results,
		func(r Result) []string { return slices.Sorted(maps.Keys(r.Instructions)) },
		func(name string) string { return name },
		func(r Result, name string) string { return fmt.Sprint(r.Instructions[name]) })
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.name, b.name) })
	writeTable(b, "program", rows, results)
}

func writeReasons(b *strings.Builder, results []Result) {
	b.WriteString("\n## What does not work, and why\n")
	for _, r := range results {
		fmt.Fprintf(b, "\n### %s\n\n", r.Kernel)
		skips := r.Skips()
		if len(skips) == 0 {
			b.WriteString("Nothing.\n")
		}
		for _, s := range Grouped(skips) {
			fmt.Fprintf(b, "- %s: %s\n", s.Key, s.Why)
		}
	}
}
