// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"slices"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/lab"
	"github.com/trapbpf/trapbpf/internal/vm/image"
)

func TestPlanForcesEveryRungOfEveryHook(t *testing.T) {
	words := ""
	for _, j := range ladders() {
		words += strings.Join(j.Argv, " ") + " "
	}
	for _, row := range hook.Table() {
		for i, rung := range row.Rungs {
			if !strings.Contains(words, "--rung "+row.Name+"="+rung.Name+" ") {
				t.Errorf("%s is never forced onto %s", row.Name, rung.Name)
			}
			if forced(i, row.Name) != rung.Name {
				t.Errorf("ladder %d holds %s on %q, not on %s", i, row.Name, forced(i, row.Name), rung.Name)
			}
		}
	}
}

func TestPlanRunsEveryScenarioAndInBriefAFaultAndATwinOfEachTrap(t *testing.T) {
	amd64, arm64 := image.Target{Arch: "amd64"}, image.Target{Arch: "arm64"}
	if whole := (Plan{}).scenarios(amd64); len(whole) != len(lab.All()) {
		t.Errorf("%d of %d scenarios", len(whole), len(lab.All()))
	}
	brief := Plan{Brief: true}.scenarios(amd64)
	if got := (Plan{}).scenarios(arm64); !slices.Equal(got, brief) {
		t.Errorf("arm64 runs %q, in brief it is %q", got, brief)
	}
	kinds := map[string]int{}
	for _, name := range brief {
		s, err := lab.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		kinds[string(s.Trap)+" "+twinOf(s)]++
	}
	for _, s := range lab.All() {
		if kinds[string(s.Trap)+" "+twinOf(s)] != 1 {
			t.Errorf("%s: %d scenarios of its kind, not 1", s.Name, kinds[string(s.Trap)+" "+twinOf(s)])
		}
	}
}

func TestPlanCanBeNarrowed(t *testing.T) {
	boots := Plan{Scenarios: []string{}, Bare: true, Brief: true}.Boots(image.Target{Arch: "amd64"})
	if len(boots) != 1 {
		t.Fatalf("%d boots", len(boots))
	}
	for _, j := range boots[0].Script.Jobs {
		if strings.HasPrefix(j.Name, jobScenario) || strings.HasPrefix(j.Name, jobTests) || strings.HasPrefix(j.Name, jobHost) {
			t.Errorf("runs %s", j.Name)
		}
	}
	if err := (Plan{Scenarios: []string{"rp-filtr"}}).Check(); err == nil {
		t.Error("an unknown scenario passed")
	}
}

func TestKnownToFailGetsLessTime(t *testing.T) {
	plan := Plan{Known: []Skip{{Key: "lab martian"}}}
	if known, other := plan.scenario("martian"), plan.scenario("rp-filter"); known.Limit >= other.Limit {
		t.Errorf("limits %s and %s", known.Limit, other.Limit)
	}
}

func TestJobNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, boot := range (Plan{}).Boots(image.Target{Arch: "amd64"}) {
		for _, j := range boot.Script.Jobs {
			if seen[j.Name] {
				t.Errorf("%s comes twice", j.Name)
			}
			seen[j.Name] = true
			if j.Limit <= 0 {
				t.Errorf("%s has no limit", j.Name)
			}
		}
	}
}

func TestPartsLeaveOutTheOthers(t *testing.T) {
	target := image.Targets()[1]
	boots := Plan{Parts: []string{"host"}}.Boots(target)
	for i, boot := range boots {
		for _, j := range boot.Script.Jobs {
			if part, _, _ := strings.Cut(j.Name, "/"); part != "host" && (i > 0 || part != "doctor" && part != "ladder") {
				t.Errorf("boot %d runs %s", i, j.Name)
			}
		}
	}
	if len(boots) != len(others())+1 {
		t.Errorf("%d boots, want one for each of %d hosts and one for the rest", len(boots), len(others()))
	}
	if err := (Plan{Parts: []string{"labs"}}).Check(); err == nil {
		t.Error("a part that does not exist is taken")
	}
}
