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

func TestPlanRunsEveryScenarioOnOneArchitectureAndEachTrapsOnTheOther(t *testing.T) {
	amd64 := Plan{}.scenarios(image.Target{Arch: "amd64"})
	if len(amd64) != len(lab.All()) {
		t.Errorf("%d of %d scenarios", len(amd64), len(lab.All()))
	}
	arm64 := Plan{}.scenarios(image.Target{Arch: "arm64"})
	for _, s := range lab.All() {
		covered := slices.ContainsFunc(arm64, func(name string) bool {
			other, err := lab.Find(name)
			return err == nil && other.Trap == s.Trap
		})
		if !covered {
			t.Errorf("arm64 runs no scenario of %q", s.Trap)
		}
	}
	if len(arm64) >= len(amd64) {
		t.Errorf("arm64 runs %d scenarios", len(arm64))
	}
}

func TestPlanCanBeNarrowed(t *testing.T) {
	boots := Plan{Scenarios: []string{}, Bare: true}.Boots(image.Target{Arch: "amd64"})
	if len(boots) != 1 {
		t.Fatalf("%d boots", len(boots))
	}
	for _, j := range boots[0].Script.Jobs {
		if strings.HasPrefix(j.Name, jobScenario) || strings.HasPrefix(j.Name, jobHost) {
			t.Errorf("runs %s", j.Name)
		}
	}
	if err := (Plan{Scenarios: []string{"rp-filtr"}}).Check(); err == nil {
		t.Error("an unknown scenario passed")
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
