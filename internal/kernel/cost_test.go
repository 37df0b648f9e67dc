// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"testing"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

func TestCostsCountRunsOnceEnabled(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	k := mustOpen(t, Options{Sights: []string{hook.SightTCP}, Account: true})
	stats, err := EnableStats()
	if err != nil {
		t.Fatal(err)
	}
	defer stats.Close()
	serve(t, ns, "127.0.0.1:5000").dial(t, ns)
	costs, err := k.Costs()
	if err != nil {
		t.Fatal(err)
	}
	if len(costs) != 1 {
		t.Fatalf("%d programs loaded, want 1: %+v", len(costs), costs)
	}
	c := costs[0]
	if c.Hook != "inet_sock_set_state" || c.Program != "tb_tcp_state" {
		t.Errorf("program %s of hook %s", c.Program, c.Hook)
	}
	if c.Runs == 0 || c.Time == 0 || c.Instructions == 0 {
		t.Errorf("cost %+v after a connection", c)
	}
}

func TestWalkedInstructionsAreReadFromTheLog(t *testing.T) {
	for log, want := range map[string]uint32{
		"": 0, "processed nothing": 0,
		"verification time 57 usec\nstack depth 0+16\nprocessed 1043 insns (limit 1000000) max_states_per_insn 1": 1043,
	} {
		if got := walkedIn(log); got != want {
			t.Errorf("%q gives %d, want %d", log, got, want)
		}
	}
}

func TestLogAndKernelAgreeOnWhatWasWalked(t *testing.T) {
	kerneltest.Exclusive(t)
	k := mustOpen(t, Options{Sights: []string{hook.SightTCP}, Account: true})
	for _, r := range k.rows {
		for name, program := range r.collection.Programs {
			cost, err := costOf(program)
			if err != nil {
				t.Fatal(err)
			}
			if logged := walkedIn(program.VerifierLog); logged == 0 || logged != cost.Instructions {
				t.Errorf("%s: the log says %d, the kernel %d", name, logged, cost.Instructions)
			}
		}
	}
}
