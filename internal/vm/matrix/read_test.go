// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/vm/job"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// report is a doctor's report with one hook, the table's first.
func report(rung, blind string, instructions int) string {
	return fmt.Sprintf(`{"kernel":"6.1","hooks":[{"name":%q,"sight":"fib","rung":%q,"blind":%q}],
		"traps":[{"trap":"asymmetric-routing","sight":"sees"}],
		"costs":[{"program":"tb_x","hook":"h","verified_instructions":%d}]}`,
		hook.Table()[0].Name, rung, blind, instructions)
}

func ended(name, stdout string) job.Outcome {
	return job.Outcome{Name: name, Stdout: stdout, Ended: true}
}

func TestReadTellsWhereHooksStandAndWhatWasForced(t *testing.T) {
	first := hook.Table()[0]
	r := Read("6.1-amd64", "6.1.0", []job.Outcome{
		ended("doctor", report(first.Rungs[0].Name, "", 42)),
		ended("ladder/0", report(first.Rungs[0].Name, "", 42)),
		ended("ladder/1", report("", "not permitted", 0)),
	}, nil)
	if r.Stands[first.Name] != first.Rungs[0].Name || r.Instructions["tb_x"] != 42 || len(r.Traps) != 1 {
		t.Errorf("result %+v", r)
	}
	if got := r.Rungs[0]; got.Hook != first.Name || got.Why != "" {
		t.Errorf("first rung %+v", got)
	}
	if got := r.Rungs[1]; got.Rung != first.Rungs[1].Name || got.Why != "not permitted" {
		t.Errorf("second rung %+v", got)
	}
}

func TestReadTakesADoctorThatFailedForARefusalOfEveryRung(t *testing.T) {
	for _, o := range []job.Outcome{
		{Name: "ladder/0", Code: 5, Stderr: "warming up\nno BTF\n", Ended: true},
		{Name: "ladder/0", Stderr: "no BTF\n"},
		{Name: "ladder/0", Code: 2, Stderr: "log\npanic: nil map\n\tmain.go:1\n", Ended: true},
		ended("ladder/0", "no JSON"),
	} {
		r := Read("5.10-amd64", "5.10", []job.Outcome{o}, nil)
		if len(r.Rungs) != len(hook.Table()) {
			t.Fatalf("%d rungs", len(r.Rungs))
		}
		for _, rung := range r.Rungs {
			if rung.Why == "" || strings.Contains(rung.Why, "main.go") {
				t.Errorf("%s: why %q", rung.Hook, rung.Why)
			}
		}
	}
}

func TestReadScenarioTellsProblemsAndMachinesThatWentDown(t *testing.T) {
	line := `{"scenario":"rp-filter","expected":"rp-filter-strict","verdict":"found"%s}`
	cases := []struct {
		outcome job.Outcome
		verdict string
		bad     string
	}{
		{ended("lab/x", fmt.Sprintf(line, "")), "found", ""},
		{ended("lab/x", fmt.Sprintf(line, `,"problems":["too late"]`)), "found", "too late"},
		{ended("lab/x", strings.Replace(fmt.Sprintf(line, ""), `"found"`, `"missed"`, 1)), "missed", "expected rp-filter-strict"},
		{job.Outcome{Name: "lab/x", Stderr: "no veth\n", Code: 1, Ended: true}, "error", "ended with 1: no veth"},
		{job.Outcome{Name: "lab/x", Stdout: fmt.Sprintf(line, "")}, "error", "went down"},
	}
	for _, c := range cases {
		got := readScenario(c.outcome, "x")
		problems := strings.Join(got.Problems, " ")
		if got.Verdict != c.verdict || (problems == "") != (c.bad == "") || !strings.Contains(problems, c.bad) {
			t.Errorf("%+v gives %+v, want %s with %q", c.outcome, got, c.verdict, c.bad)
		}
	}
}

func TestReadHostComparesWithTheOrdinaryOne(t *testing.T) {
	first := hook.Table()[0]
	r := Read("6.1-amd64", "6.1.0", []job.Outcome{
		ended("doctor", report("tp_btf", "", 1)),
		ended("host/same", report("tp_btf", "", 1)),
		ended("host/lower", report("raw_tp", "", 1)),
		ended("host/blind", report("", "no tracefs", 1)),
		{Name: "host/refused", Code: 5, Stderr: "no BTF\n", Ended: true},
	}, nil)
	if len(r.Hosts) != 4 {
		t.Fatalf("hosts %+v", r.Hosts)
	}
	if len(r.Hosts[0].Blind) != 0 || r.Hosts[0].Problem != "" {
		t.Errorf("the same host differs: %+v", r.Hosts[0])
	}
	if !strings.HasPrefix(r.Hosts[1].Blind[0], first.Name+" stands on raw_tp") || r.Hosts[2].Blind[0] != first.Name+": no tracefs" {
		t.Errorf("hosts %+v", r.Hosts[1:3])
	}
	if !strings.Contains(r.Hosts[3].Problem, "no BTF") {
		t.Errorf("host %+v", r.Hosts[3])
	}
}

func TestReadTestsGivesEachVerdictWithItsFirstComplaint(t *testing.T) {
	out := "=== RUN   TestA\n    a_test.go:1: a log line\n--- PASS: TestA (0.0s)\n" +
		"=== RUN   TestB\n=== RUN   TestB/sub\n    b_test.go:7: not within 3s\n    b_test.go:9: and more\n" +
		"--- FAIL: TestB (3.0s)\n    --- FAIL: TestB/sub (3.0s)\n" +
		"=== RUN   TestC\n    c_test.go:3: needs root\n--- SKIP: TestC (0.0s)\nFAIL\n"
	got := readTests(job.Outcome{Code: 1, Ended: true, Stdout: out}, "internal/kernel")
	want := []Test{
		{Name: "internal/kernel/TestA"},
		{Name: "internal/kernel/TestB", Why: "fail: b_test.go:7: not within 3s"},
		{Name: "internal/kernel/TestC", Why: "skip: c_test.go:3: needs root"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("tests %q, want %q", got, want)
	}
}

func TestReadTestsTellsABinaryThatDidNotComeThrough(t *testing.T) {
	for _, o := range []job.Outcome{
		{Code: 2, Ended: true, Stdout: "--- PASS: TestA (0.0s)\n", Stderr: "panic: nil map\n"},
		{Stdout: "--- PASS: TestA (0.0s)\n", Stderr: "panic: nil map\n"},
	} {
		got := readTests(o, "p")
		if len(got) != 2 || got[1].Name != "p" || !strings.Contains(got[1].Why, "panic: nil map") {
			t.Errorf("%+v gives %q", o, got)
		}
	}
}

func TestRefusalMustHaveItsCodeAndOneLineThatSaysWhatToDo(t *testing.T) {
	const line = "trapbpf: kernel not supported: use a kernel built with CONFIG_DEBUG_INFO_BTF=y\n"
	cases := []struct {
		outcome job.Outcome
		wrong   string
	}{
		{job.Outcome{Code: 5, Stderr: line, Ended: true}, ""},
		{job.Outcome{Code: 1, Stderr: line, Ended: true}, "must end with 5"},
		{job.Outcome{Code: 0, Ended: true}, "must end with 5"},
		{job.Outcome{Code: 5, Stderr: line}, "machine went down"},
		{job.Outcome{Code: 5, Stderr: "trapbpf: sorry\n", Ended: true}, "must say"},
		{job.Outcome{Code: 5, Stderr: "usage\n" + line, Ended: true}, "in one line"},
	}
	for _, c := range cases {
		c.outcome.Name = "refused/no BTF"
		r := Read("6.1-amd64", "6.1.0", []job.Outcome{c.outcome}, nil)
		if got := r.Refusals[0].Why; (got == "") != (c.wrong == "") || !strings.Contains(got, c.wrong) {
			t.Errorf("%+v gives %q, want %q", c.outcome, got, c.wrong)
		}
	}
}

func TestWhatAHostRefusesIsTheRungThatAnOrdinaryOneAllows(t *testing.T) {
	h := event.Hook{Rung: "tp_btf", Higher: []string{"fentry: not supported", "kprobe: not permitted"}}
	if got := refusedBy(h, "kprobe"); got != "not permitted" {
		t.Errorf("refused by %q", got)
	}
	if got := refusedBy(event.Hook{Blind: "no tracefs"}, "kprobe"); got != "no tracefs" {
		t.Errorf("blind by %q", got)
	}
}
