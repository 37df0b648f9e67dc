// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"slices"
	"testing"
)

// logged is what the test of every rung prints with -test.v.
const logged = `=== RUN   TestEveryRungRunsUnderTheSameTraffic/rung_0
    workload_test.go:124: cost of iter/tcp sweep, iter: 402 runs of 133 ns
    workload_test.go:124: cost of kfree_skb, raw_tp: 204 runs of 254 ns
    workload_test.go:124: cost of nothing
`

func TestCostsAreReadAndLandInTheirRungs(t *testing.T) {
	r := sample()
	r.takeCosts(logged)
	want := []Rung{
		{Hook: "kfree_skb", Rung: "tp_btf", Why: "no reasons"},
		{Hook: "kfree_skb", Rung: "raw_tp", Nanoseconds: 254},
		{Hook: "iter/tcp sweep", Rung: "iter", Nanoseconds: 133},
	}
	if !slices.Equal(r.Rungs, want) {
		t.Errorf("rungs %+v, want %+v", r.Rungs, want)
	}
}

func TestCostsOfAnEarlierRunAreKeptWhileTheRungAttaches(t *testing.T) {
	kept := sample()
	kept.takeCosts(logged)
	if got := Merge(kept, sample()).Rungs[1]; got.Nanoseconds != 254 {
		t.Errorf("kept %+v", got)
	}
	worse := sample()
	worse.Rungs[1].Why = "refused"
	if got := Merge(kept, worse).Rungs[1]; got.Nanoseconds != 0 {
		t.Errorf("a rung that does not attach costs %+v", got)
	}
}

func TestCostTableNamesWhereEachRungStands(t *testing.T) {
	old, other := sample(), sample()
	old.takeCosts(logged)
	other.Kernel, other.Stands = "6.1-arm64", map[string]string{"kfree_skb": "tp_btf"}
	hardware := ReadHardware("6.18.5", "cost of kfree_skb, tp_btf: 9 runs of 77 ns\n")
	want := "| hook | rung | stands on | ns, 6.18.5 | ns, 5.10.0 emulated |\n|---|---|---|---|---|\n" +
		"| `kfree_skb` | tp_btf | 6.1-arm64 | 77 |  |\n" +
		"| `kfree_skb` | raw_tp | 5.10 |  | 254 |\n" +
		"| `iter/tcp sweep` | iter | none |  | 133 |\n"
	if got := CostTable([]Result{old, other}, hardware); got != want {
		t.Errorf("table\n%s\nwant\n%s", got, want)
	}
	other.Stands = old.Stands
	if got := standsOn([]Result{old, other}, old.Rungs[1]); got != "all" {
		t.Errorf("stands on %s", got)
	}
}
