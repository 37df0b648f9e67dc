// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/lab"
	"github.com/trapbpf/trapbpf/internal/vm/image"
	"github.com/trapbpf/trapbpf/internal/vm/job"
)

// agent is where the static binary stands in a machine.
const agent = "/bin/trapbpf"

// How long one job may take in a machine that is ten times slower than this one.
const (
	doctorLimit   = 2 * time.Minute
	scenarioLimit = 3 * time.Minute
	testsLimit    = 15 * time.Minute
	replayLimit   = time.Minute
	// knownLimit is several times what a scenario needs that works.
	knownLimit = 90 * time.Second
)

// slowness is how many times longer than here a test may wait in a machine.
const slowness = 10

// The jobs' names, or what they begin with.
const (
	jobDoctor   = "doctor"
	jobLadder   = "ladder/"
	jobScenario = "lab/"
	jobTests    = "test/"
	jobReplay   = "replay/"
	jobHost     = "host/"
	jobRefused  = "refused/"
)

// Boot is one machine to run: a script, and words for the kernel's command line.
type Boot struct {
	Script job.Script
	Append []string
}

// Plan says what to leave out. The zero value asks a kernel everything.
type Plan struct {
	// Scenarios are the lab scenarios to run; nil means all, an empty list none.
	Scenarios []string
	// Brief leaves out the kernel tests and the hosts that need a boot of their own, and
	// runs one fault and one twin of each trap.
	Brief bool
	// Recordings are those to replay: it takes a fraction of a second each.
	Recordings []Recording
	// Bare leaves out the hosts that lack something.
	Bare bool
	// Parts are the kinds of jobs to run beside doctor and the ladders, by what their
	// names begin with: "lab", "replay", "test", "host", "refused"; nil means all.
	Parts []string
	// Known are what is known not to work: a scenario among them is given less
	// time, for most show it by waiting in vain.
	Known []Skip
	// Each, where set, is told of each job's end.
	Each func(job.Outcome)
}

// Boots gives the machines to run for a target. The first has the ordinary host's
// jobs.
func (p Plan) Boots(t image.Target) (boots []Boot) {
	for _, boot := range p.all(t) {
		boot.Script.Jobs = slices.DeleteFunc(boot.Script.Jobs, func(j job.Job) bool { return !p.wants(j.Name) })
		if len(boot.Script.Jobs) > 0 {
			boots = append(boots, boot)
		}
	}
	return boots
}

func (p Plan) wants(name string) bool {
	part, _, _ := strings.Cut(name, "/")
	always := part == jobDoctor || part+"/" == jobLadder
	return always || p.Parts == nil || slices.Contains(p.Parts, part)
}

// all gives the machines for every part.
func (p Plan) all(t image.Target) []Boot {
	jobs := append([]job.Job{doctor(jobDoctor, "--cost")}, ladders()...)
	for _, name := range p.scenarios(t) {
		jobs = append(jobs, p.scenario(name))
	}
	for _, r := range p.Recordings {
		jobs = append(jobs, r.job())
	}
	if !p.Brief {
		jobs = append(jobs, tests()...)
	}
	if p.Bare {
		return []Boot{{Script: job.Script{Jobs: jobs}}}
	}
	jobs = append(append(jobs, refused()...), limited()...)
	boots := []Boot{{Script: job.Script{Jobs: jobs}}}
	if p.Brief {
		return boots
	}
	return append(boots, others()...)
}

func (p Plan) scenarios(t image.Target) (names []string) {
	if p.Scenarios != nil {
		return p.Scenarios
	}
	seen := map[string]bool{}
	for _, s := range lab.All() {
		kind := string(s.Trap)
		if s.Twin() {
			kind = twinOf(s)
		}
		// Another architecture is emulated at greater cost, and differs in what is
		// below the traps.
		if !seen[kind] || !p.Brief && t.Arch == "amd64" {
			names = append(names, s.Name)
		}
		seen[kind] = true
	}
	return names
}

// twinOf names the trap that a twin must not be taken for.
func twinOf(s lab.Scenario) string {
	fault, err := lab.Find(s.TwinOf)
	if err != nil {
		return "twin"
	}
	return "twin of " + string(fault.Trap)
}

func doctor(name string, args ...string) job.Job {
	argv := append([]string{agent, "doctor", "--output", "json"}, args...)
	return job.Job{Name: name, Argv: argv, Limit: doctorLimit}
}

// ladders force every hook onto its first rung, then all onto their second, and so
// on: hooks do not depend on each other. The last rung stands in for what a
// shorter ladder lacks.
func ladders() (jobs []job.Job) {
	table := hook.Table()
	longest := 0
	for _, row := range table {
		longest = max(longest, len(row.Rungs))
	}
	for i := range longest {
		args := []string{"--cost"}
		for _, row := range table {
			rung := row.Rungs[min(i, len(row.Rungs)-1)]
			args = append(args, "--rung", row.Name+"="+rung.Name)
		}
		jobs = append(jobs, doctor(fmt.Sprintf("%s%d", jobLadder, i), args...))
	}
	return jobs
}

func (p Plan) scenario(name string) job.Job {
	limit := scenarioLimit
	if slices.ContainsFunc(p.Known, func(s Skip) bool { return s.Key == "lab "+name }) {
		limit = knownLimit
	}
	return job.Job{
		Name:  jobScenario + name,
		Argv:  []string{agent, "lab", "run", "--relaxed", "--output", "json", name},
		Limit: limit,
	}
}

// packages are those whose privileged tests say more on another kernel: that each
// rung sees what it should, not only that it attaches.
func packages() []string { return []string{"internal/kernel"} }

// binary is where a package's tests stand in a machine.
func binary(pkg string) string { return "/bin/" + strings.ReplaceAll(pkg, "/", "-") + ".test" }

func tests() (jobs []job.Job) {
	for _, pkg := range packages() {
		jobs = append(jobs, job.Job{
			Name:  jobTests + pkg,
			Argv:  []string{binary(pkg), "-test.v", "-test.timeout=" + testsLimit.String()},
			Env:   []string{fmt.Sprintf("TRAPBPF_SLOWNESS=%d", slowness)},
			Limit: testsLimit,
		})
	}
	return jobs
}

// Check tells which scenario names, or parts, there are none of.
func (p Plan) Check() error {
	kinds := []string{jobScenario, jobReplay, jobTests, jobHost, jobRefused}
	for _, part := range p.Parts {
		if !slices.Contains(kinds, part+"/") {
			return fmt.Errorf("no such part of a run as %q; there are %s", part, strings.Join(kinds, " "))
		}
	}
	for _, name := range p.Scenarios {
		if _, err := lab.Find(name); err != nil {
			return err
		}
	}
	return nil
}

// isJob tells a job of a kind, and gives the rest of its name.
func isJob(name, kind string) (rest string, ok bool) { return strings.CutPrefix(name, kind) }

// forced gives the rung that a ladder's run forced a hook onto.
func forced(i int, hookName string) string {
	table := hook.Table()
	at := slices.IndexFunc(table, func(row hook.Row) bool { return row.Name == hookName })
	if at < 0 || i >= len(table[at].Rungs) {
		return ""
	}
	return table[at].Rungs[i].Name
}
