// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// tell gives a record as it was read some time after the traffic started.
func tell(t *testing.T, cause finding.Cause, action finding.Action, at time.Time) telling {
	t.Helper()
	doc, err := finding.ParseRecord([]byte(recordLine(t, cause, action)))
	if err != nil {
		t.Fatal(err)
	}
	return telling{doc: doc, at: at}
}

func judged(verdict Verdict, fixed time.Duration, tellings ...telling) Result {
	r := &run{begun: time.Unix(100, 0), result: Result{Verdict: verdict, Times: Times{Fixed: fixed}}}
	r.Scenario = Scenario{Trap: finding.AsymmetricRouting, Cause: rpFilterStrict, Also: []finding.Cause{"forerunner"}}
	r.judgeAlarms(tellings)
	return r.result
}

func TestJudgeCallsAForeignCauseAFalseAlarm(t *testing.T) {
	at := time.Unix(101, 0)
	good := judged(Found, 0, tell(t, "forerunner", finding.Opened, at), tell(t, rpFilterStrict, finding.Opened, at))
	if !good.Good() {
		t.Errorf("expected causes are judged %s: %q", good.Verdict, good.Problems)
	}
	bad := judged(Found, 0, tell(t, rpFilterStrict, finding.Opened, at), tell(t, "martian-source", finding.Opened, at))
	if bad.Verdict != FalseAlarm || len(bad.Problems) != 1 {
		t.Errorf("a foreign cause is judged %s: %q", bad.Verdict, bad.Problems)
	}
}

func TestJudgeAllowsNoNewFindingAfterTheFix(t *testing.T) {
	fixed := 10 * time.Second
	soon, late := time.Unix(111, 0), time.Unix(113, 0)
	if r := judged(Found, fixed, tell(t, rpFilterStrict, finding.Opened, soon), tell(t, rpFilterStrict, finding.Closed, late)); !r.Good() {
		t.Errorf("the end of a finding is judged %q", r.Problems)
	}
	if r := judged(Found, fixed, tell(t, rpFilterStrict, finding.Opened, late)); r.Good() {
		t.Error("a finding opened 3 s after the fix is judged good")
	}
}

func TestJudgeHoldsTheBudget(t *testing.T) {
	for _, c := range []struct {
		name  string
		s     Scenario
		times Times
		want  string
	}{
		{"in time", Scenario{budget: time.Second}, Times{Symptom: 1, Found: time.Second}, ""},
		{"late", Scenario{budget: time.Second}, Times{Symptom: 1, Found: 2 * time.Second}, "not within 1s"},
		{"no symptom", Scenario{budget: time.Second}, Times{Found: 1}, "without any symptom"},
		{"forecast", Scenario{ahead: true}, Times{Found: 1}, ""},
		{"late forecast", Scenario{ahead: true}, Times{Symptom: 1, Found: 2}, "after the first failure"},
	} {
		r := &run{result: Result{Verdict: Found, Times: c.times}}
		r.Scenario = c.s
		r.judgeTimes()
		got := strings.Join(r.result.Problems, "; ")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: judged %q, not %q", c.name, got, c.want)
		}
		r.Relaxed, r.result.Problems = true, nil
		if r.judgeTimes(); len(r.result.Problems) > 0 && !c.s.ahead {
			t.Errorf("%s: judged %q on an emulated machine", c.name, r.result.Problems)
		}
	}
}

func TestJudgeReadsMemoryOfALivingProcess(t *testing.T) {
	if got := peakMemory(os.Getpid()); got < 1<<20 {
		t.Errorf("this process had %d bytes", got)
	}
	if got := peakMemory(-1); got != 0 {
		t.Errorf("no process had %d bytes", got)
	}
}

func TestJudgeSaysThatAScenarioDidNotHappen(t *testing.T) {
	r := &run{meter: newMeter(), result: Result{Verdict: Silent}}
	r.stage.proof = func(reading) error { return errors.New("nothing happened") }
	if r.judge(); r.result.Good() {
		t.Error("a twin whose traffic never was is judged good")
	}
}
