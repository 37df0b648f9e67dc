// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/vm/image"
)

// sample is a kernel on which one thing of each kind works and one does not.
func sample() Result {
	return Result{
		Kernel: "5.10-amd64", Release: "5.10.0",
		Rungs:        []Rung{{Hook: "kfree_skb", Rung: "tp_btf", Why: "no reasons"}, {Hook: "kfree_skb", Rung: "raw_tp"}},
		Stands:       map[string]string{"kfree_skb": "raw_tp"},
		Instructions: map[string]uint32{"tb_drop": 1000},
		Traps:        []Trap{{Trap: "dns-caching", Sight: "sees"}, {Trap: "asymmetric-routing", Sight: "blind", Missing: []string{"drops"}}},
		Scenarios: []Scenario{
			{Name: "rp-filter", Expected: "rp-filter-strict", Verdict: "missed", Problems: []string{"no record"}},
			{Name: "rp-filter-loose", Expected: "silence", Verdict: "silent"},
		},
		Hosts: []Host{{Name: "no tracefs", Blind: []string{"bind: no tracefs", "tcp: no tracefs"}}, {Name: "no cgroup v2"}},
	}
}

func TestSkipsAreWhatDoesNotWorkAndReadBack(t *testing.T) {
	want := []Skip{
		{"rung kfree_skb/tp_btf", "no reasons"},
		{"trap asymmetric-routing", "blind: drops"},
		{"lab rp-filter", "missed: no record"},
		{"host no tracefs", "bind, tcp: no tracefs"},
	}
	got := sample().Skips()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("skips %q, want %q", got, want)
	}
	if back := ParseSkips("# for people\n\n" + FormatSkips(got)); !reflect.DeepEqual(back, want) {
		t.Errorf("read back %q", back)
	}
}

func TestNewSkipsAndListedThingsThatWorkAreUnexpected(t *testing.T) {
	known := sample().Skips()
	if problems := Unexpected(sample(), known); len(problems) != 0 {
		t.Errorf("nothing changed, but %q", problems)
	}
	if problems := Unexpected(sample(), known[1:]); len(problems) != 1 || !strings.HasPrefix(problems[0], "new: rung kfree_skb/tp_btf") {
		t.Errorf("a new skip gives %q", problems)
	}
	better := sample()
	better.Scenarios[0] = Scenario{Name: "rp-filter", Verdict: "found"}
	if problems := Unexpected(better, known); len(problems) != 1 || !strings.HasPrefix(problems[0], "works now: lab rp-filter") {
		t.Errorf("a thing that works now gives %q", problems)
	}
	unasked := sample()
	unasked.Scenarios = nil
	if problems := Unexpected(unasked, known); len(problems) != 0 {
		t.Errorf("what was not asked gives %q", problems)
	}
}

func TestOneReasonIsToldOnce(t *testing.T) {
	got := Grouped([]Skip{{"a", "no BTF"}, {"b", "other"}, {"c", "no BTF"}})
	if want := []Skip{{"a, c", "no BTF"}, {"b", "other"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("grouped %q, want %q", got, want)
	}
}

func TestLadderWantsTheFirstRungThatAttaches(t *testing.T) {
	r := sample()
	if problems := Ladder(r); len(problems) != 0 {
		t.Errorf("problems %q", problems)
	}
	r.Rungs[0].Why = ""
	if problems := Ladder(r); len(problems) != 1 || !strings.Contains(problems[0], "tp_btf attaches") {
		t.Errorf("problems %q", problems)
	}
}

func TestBudgetFailsOverTenPercentOnTheSameReleaseOnly(t *testing.T) {
	kept, now := sample(), sample()
	cases := []struct {
		walked          uint32
		release         string
		problems, notes int
	}{
		{1100, kept.Release, 0, 0},
		{1101, kept.Release, 1, 0},
		{1101, "5.10.1", 0, 1},
		{10, kept.Release, 0, 0},
	}
	for _, c := range cases {
		now.Release, now.Instructions = c.release, map[string]uint32{"tb_drop": c.walked, "tb_new": 9}
		problems, notes := Budget(now, kept)
		if len(problems) != c.problems || len(notes) != c.notes {
			t.Errorf("%d on %s: problems %q, notes %q", c.walked, c.release, problems, notes)
		}
	}
}

func TestSavingAPartialRunKeepsTheRest(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	if err := store.Save(sample()); err != nil {
		t.Fatal(err)
	}
	partial := sample()
	partial.Hosts = nil
	partial.Scenarios = []Scenario{{Name: "rp-filter", Expected: "rp-filter-strict", Verdict: "found"}}
	if err := store.Save(partial); err != nil {
		t.Fatal(err)
	}
	got, skips, err := store.Load("5.10-amd64")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Scenarios) != 2 || got.Scenarios[0].Verdict != "found" || len(got.Hosts) != 2 {
		t.Errorf("kept %+v", got)
	}
	if len(skips) != 3 || skips[2].Key != "host no tracefs" {
		t.Errorf("skips %q", skips)
	}
}

func TestTableShowsEveryAnswerAndLeavesUnaskedCellsEmpty(t *testing.T) {
	other := Result{Kernel: "6.1-amd64", Release: "6.1.0", Rungs: []Rung{{Hook: "kfree_skb", Rung: "tp_btf"}}}
	text := Render([]Result{sample(), other})
	for _, line := range []string{
		"| kfree_skb, tp_btf | no | yes |",
		"| kfree_skb, raw_tp | **stands** |  |",
		"| rp-filter | **missed** (below) |  |",
		"| rp-filter-loose | silent |  |",
		"| no tracefs | 2 hooks lower |  |",
		"| tb_drop | 1000 |  |",
		"- lab rp-filter: missed: no record",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

// docPath is the generated document, seen from this package's folder.
const docPath = "../../../docs/kernels.md"

func TestDocumentIsWhatTheKeptResultsGive(t *testing.T) {
	want, err := Document(Store{Dir: "testdata"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(docPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/kernels.md differs from the kept results: go run ./internal/vm/cmd/kernels table")
	}
}

// costsPath is the document with the table of costs.
const costsPath = "../../../bpf/README.md"

func TestCostsAreWhatTheKeptResultsGive(t *testing.T) {
	got, err := os.ReadFile(costsPath)
	if err != nil {
		t.Fatal(err)
	}
	want, err := SpliceCosts(Store{Dir: "testdata"}, string(got))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("bpf/README.md differs from the kept results: go run ./internal/vm/cmd/kernels table")
	}
}

func TestKeptListsSayWhatTheKeptResultsSay(t *testing.T) {
	for _, target := range image.Targets() {
		r, known, err := Store{Dir: "testdata"}.Load(target.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range Unexpected(r, known) {
			t.Errorf("%s: %s", target.Name(), problem)
		}
	}
}
