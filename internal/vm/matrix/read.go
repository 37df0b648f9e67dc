// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/lab"
	"github.com/trapbpf/trapbpf/internal/vm/job"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// examined is what `doctor --output json` prints.
type examined struct {
	Kernel string       `json:"kernel"`
	Hooks  []event.Hook `json:"hooks"`
	Traps  []Trap       `json:"traps"`
	Costs  []struct {
		Program      string `json:"program"`
		Instructions uint32 `json:"verified_instructions"`
	} `json:"costs"`
}

// Read makes a result of what a kernel's jobs printed, and of what the recordings
// must give.
func Read(kernel, release string, outcomes []job.Outcome, recordings []Recording) Result {
	r := Result{
		Kernel: kernel, Release: release,
		Stands: map[string]string{}, Instructions: map[string]uint32{}, Processor: map[string]float64{},
	}
	for _, o := range outcomes {
		r.take(o)
		if o.Processor > 0 {
			r.Processor[o.Name] = math.Round(10*o.Processor.Seconds()) / 10
		}
		if rest, ok := isJob(o.Name, jobReplay); ok {
			r.Replays = append(r.Replays, readReplay(o, rest, recordings))
		}
	}
	order := map[string]int{}
	for i, row := range hook.Table() {
		order[row.Name] = i
	}
	slices.SortStableFunc(r.Rungs, func(a, b Rung) int { return cmp.Compare(order[a.Hook], order[b.Hook]) })
	return r
}

func (r *Result) take(o job.Outcome) {
	if o.Name == jobDoctor {
		r.takeDoctor(o)
	}
	if rest, ok := isJob(o.Name, jobLadder); ok {
		r.takeLadder(o, rest)
	}
	if rest, ok := isJob(o.Name, jobScenario); ok {
		r.Scenarios = append(r.Scenarios, readScenario(o, rest))
	}
	if rest, ok := isJob(o.Name, jobTests); ok {
		r.Tests = append(r.Tests, readTests(o, rest)...)
		r.takeCosts(o.Stdout)
	}
	if rest, ok := isJob(o.Name, jobHost); ok {
		r.Hosts = append(r.Hosts, r.readHost(o, rest))
	}
	if rest, ok := isJob(o.Name, jobRefused); ok {
		r.Refusals = append(r.Refusals, readRefusal(o, rest))
	}
}

// ordinary names the host that lacks nothing, where doctor fails even on it.
const ordinary = "ordinary"

func (r *Result) takeDoctor(o job.Outcome) {
	report, err := readDoctor(o)
	if err != nil {
		r.Hosts = append(r.Hosts, Host{Name: ordinary, Problem: err.Error()})
		return
	}
	r.Traps = report.Traps
	r.count(report)
	for _, h := range report.Hooks {
		r.Stands[h.Name] = h.Rung
	}
}

func (r *Result) takeLadder(o job.Outcome, rest string) {
	index, err := strconv.Atoi(rest)
	if err != nil {
		return
	}
	report, err := readDoctor(o)
	r.count(report)
	for _, row := range hook.Table() {
		rung := forced(index, row.Name)
		if rung == "" {
			continue
		}
		r.Rungs = append(r.Rungs, Rung{Hook: row.Name, Rung: rung, Why: why(report, row.Name, rung, err)})
	}
}

// why says why a forced rung does not hold the hook, "" where it does.
func why(report examined, name, rung string, err error) string {
	if err != nil {
		return err.Error()
	}
	at := slices.IndexFunc(report.Hooks, func(h event.Hook) bool { return h.Name == name })
	switch {
	case at < 0:
		return "doctor does not tell of it"
	case report.Hooks[at].Rung == rung:
		return ""
	case report.Hooks[at].Blind != "":
		return report.Hooks[at].Blind
	default:
		return "stands on " + report.Hooks[at].Rung + " instead"
	}
}

// count keeps what the verifier walked. A program is the same on every rung.
func (r *Result) count(report examined) {
	for _, c := range report.Costs {
		if c.Instructions > 0 {
			r.Instructions[c.Program] = c.Instructions
		}
	}
}

func readDoctor(o job.Outcome) (examined, error) {
	var report examined
	if o.Code != 0 || !o.Ended {
		return report, fmt.Errorf("doctor %s", ending(o))
	}
	if err := json.Unmarshal([]byte(o.Stdout), &report); err != nil {
		return report, fmt.Errorf("read doctor's report: %w", err)
	}
	return report, nil
}

// readHost compares a barer host with the ordinary one.
func (r *Result) readHost(o job.Outcome, name string) Host {
	h := Host{Name: name}
	report, err := readDoctor(o)
	if err != nil {
		h.Problem = err.Error()
		return h
	}
	for _, seen := range report.Hooks {
		was := r.Stands[seen.Name]
		switch {
		case seen.Rung == was:
		case seen.Rung != "":
			h.Blind = append(h.Blind, fmt.Sprintf("%s stands on %s: %s", seen.Name, seen.Rung, refusedBy(seen, was)))
		default:
			h.Blind = append(h.Blind, seen.Name+": "+refusedBy(seen, was))
		}
	}
	return h
}

// refusedBy says why a hook does not stand on a rung that an ordinary host allows.
func refusedBy(h event.Hook, rung string) string {
	for _, reason := range h.Higher {
		if why, ok := strings.CutPrefix(reason, rung+": "); ok {
			return why
		}
	}
	return h.Blind
}

func readScenario(o job.Outcome, name string) Scenario {
	var told lab.Result
	lines := strings.Split(strings.TrimSpace(o.Stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &told); err != nil || !o.Ended {
		return Scenario{Name: name, Verdict: "error", Problems: []string{ending(o)}}
	}
	s := Scenario{Name: name, Expected: told.Expected, Verdict: string(told.Verdict), Problems: told.Problems}
	if !told.Good() && len(s.Problems) == 0 {
		s.Problems = []string{"expected " + s.Expected}
	}
	return s
}

func readReplay(o job.Outcome, name string, recordings []Recording) Replay {
	at := slices.IndexFunc(recordings, func(r Recording) bool { return r.Name == name })
	if at < 0 {
		return Replay{Name: name, Why: "nobody knows what it must give"}
	}
	return recordings[at].judge(o)
}

// ending says in words how a job that did not go well ended.
func ending(o job.Outcome) string {
	if !o.Ended {
		return "did not end, the machine went down; it last said: " + lastWord(o.Stderr)
	}
	return fmt.Sprintf("ended with %d: %s", o.Code, lastWord(o.Stderr))
}

// lastWord gives the line that says most: a panic's first, else the last.
func lastWord(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	for _, line := range lines {
		if strings.HasPrefix(line, "panic: ") {
			return line
		}
	}
	return lines[len(lines)-1]
}
