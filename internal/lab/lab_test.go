// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// runLimit bounds one scenario, whatever it does.
const runLimit = 3 * time.Minute

// TestScenariosEndToEnd has the real agent watch every scenario. Faults whose programs
// take a whole processor run one after the other, since times are judged; the others wait
// for timers most of the time, and run side by side.
func TestScenariosEndToEnd(t *testing.T) {
	kerneltest.Exclusive(t)
	binary := buildAgent(t)
	var mu sync.Mutex
	var results []Result
	play := func(t *testing.T, s Scenario) {
		result := playScenario(t, binary, s)
		mu.Lock()
		defer mu.Unlock()
		results = append(results, result)
	}
	for _, s := range All() {
		if busy(s) {
			t.Run(s.Name, func(t *testing.T) { play(t, s) })
		}
	}
	for _, twins := range []bool{false, true} {
		t.Run(map[bool]string{false: "faults", true: "twins"}[twins], func(t *testing.T) {
			for _, s := range All() {
				if !busy(s) && s.Twin() == twins {
					t.Run(s.Name, func(t *testing.T) { t.Parallel(); play(t, s) })
				}
			}
		})
	}
	t.Logf("\n%s", Table(results))
}

// busy tells that a fault is made by dialling or sending as fast as it goes.
func busy(s Scenario) bool {
	return !s.Twin() && (s.Trap == finding.TimeWaitExhaustion || strings.HasSuffix(s.Name, "-flood"))
}

func playScenario(t *testing.T, binary string, s Scenario) Result {
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	result, err := Run(ctx, Options{Binary: binary, Scenario: s, Progress: func(e Event) {
		t.Logf("%7.3f %s", e.Elapsed.Seconds(), e.Text)
	}})
	if err != nil {
		t.Error(err)
	}
	for _, problem := range result.Problems {
		t.Error(problem)
	}
	if !result.Good() {
		t.Errorf("%s: expected %s, verdict %s, records:", s.Name, result.Expected, result.Verdict)
		for _, record := range result.Records {
			t.Logf("%s", record)
		}
	}
	for _, note := range result.Notes {
		t.Log(note)
	}
	if delay, ok := result.Delay(); ok {
		t.Logf("%s from the first symptom to the record", seconds(delay))
	}
	t.Logf("traffic: %s; agent: %d MB at most, stopped in %s", result.Traffic, result.Resident>>20, seconds(result.Stop))
	return result
}

func TestRunThatIsCancelledLeavesNothing(t *testing.T) {
	kerneltest.Exclusive(t)
	binary := buildAgent(t)
	scenario, err := Find("rp-filter-loose")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	var spaces []string
	_, err = Run(ctx, Options{Binary: binary, Scenario: scenario, Progress: func(e Event) {
		if name, ok := strings.CutPrefix(e.Text, "namespace "); ok {
			spaces = append(spaces, name)
		}
		if strings.HasPrefix(e.Text, "traffic starts") {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the run says %v", err)
	}
	if len(spaces) == 0 {
		t.Error("no namespace was made")
	}
	for _, name := range spaces {
		if exists(name) {
			t.Errorf("%s is left behind", name)
		}
	}
}

func TestAgentOutlivesTheNamespaceItWatches(t *testing.T) {
	kerneltest.Exclusive(t)
	binary := buildAgent(t)
	n := newNetwork("vanish")
	d := buildDuo(n, 0)
	if n.err != nil {
		t.Fatal(n.err)
	}
	a, err := startAgent(binary, false, d.client.name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		<-a.exited
	})
	if err := a.ready(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := n.close(); err != nil {
		t.Fatal(err)
	}
	// Time for the agent's next looks at what is gone.
	ctx, cancel := context.WithTimeout(t.Context(), quietPeriod)
	defer cancel()
	if _, err := a.await(ctx, func(telling) bool { return true }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the agent told something of it, or ended: %v", err)
	}
	if took, err := a.stop(); err != nil || took > stopLimit {
		t.Errorf("stopped after %s: %v", took, err)
	}
	expectNothingLeft(t, n.nonce)
}

func TestRunRefusesAnUnknownView(t *testing.T) {
	scenario, err := Find("rp-filter")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Run(t.Context(), Options{Scenario: scenario, View: "clinet"})
	if err == nil || !strings.Contains(err.Error(), `"clinet"`) || !strings.Contains(err.Error(), "client") {
		t.Errorf("the run says %v", err)
	}
}

// buildAgent gives the agent's binary: the one that TRAPBPF_BIN names, or a new one.
func buildAgent(t testing.TB) string {
	t.Helper()
	if binary := os.Getenv("TRAPBPF_BIN"); binary != "" {
		return binary
	}
	return kerneltest.BuildAgent(t, t.TempDir())
}
