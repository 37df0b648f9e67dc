// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTableTellsGoodFromBad(t *testing.T) {
	results := []Result{
		{Scenario: "rp-filter", View: "client", Expected: "rp-filter-strict", Verdict: Found, Audit: "fault", Resident: 40 << 20,
			Times: Times{Symptom: 100 * time.Millisecond, Found: 340 * time.Millisecond, Fixed: time.Second, Resolved: 5 * time.Second,
				Undone: 6 * time.Second, Again: 6500 * time.Millisecond}, Verified: []string{"mended", "still-there"}},
		{Scenario: "ports-running-out", View: "client", Expected: "ephemeral-ports-running-out", Verdict: Found,
			Times: Times{Found: time.Second}},
		{Scenario: "ports-server", View: "server", Expected: "silence", Verdict: FalseAlarm,
			Problems: []string{"false alarm a|b\nc"}},
		{Scenario: "rp-filter-loose", View: "client", Expected: "silence", Verdict: Silent},
		{Scenario: "martian", View: "server", Expected: "martian-source", Verdict: Missed, Problems: []string{"not found"}},
	}
	const want = `
| scenario          | view   | expected                    | check | verdict     | symptom to record | fix to resolved | undo to record | verify              | memory | problems          |
| ---               | ---    | ---                         | ---   | ---         | ---               | ---             | ---            | ---                 | ---    | ---               |
| rp-filter         | client | rp-filter-strict            | fault | found       | 0.240 s           | 4.000 s         | 0.500 s        | mended, still-there | 40 MB  |                   |
| ports-running-out | client | ephemeral-ports-running-out |       | found       | before any        |                 |                |                     | 0 MB   |                   |
| ports-server      | server | silence                     |       | false-alarm |                   |                 |                |                     | 0 MB   | false alarm a/b c |
| rp-filter-loose   | client | silence                     |       | silent      |                   |                 |                |                     | 0 MB   |                   |
| martian           | server | martian-source              |       | missed      |                   |                 |                |                     | 0 MB   | not found         |

2 found, 1 missed, 1 silent, 1 false alarms; 3 of 5 runs as promised
`
	if got := "\n" + Table(results); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestForecastHasANegativeDelay(t *testing.T) {
	r := Result{Times: Times{Found: 2 * time.Second, Symptom: 20 * time.Second}}
	if d, ok := r.Delay(); !ok || d != -18*time.Second {
		t.Errorf("delay %s, %v", d, ok)
	}
}

func TestMeterTellsErrorsByName(t *testing.T) {
	m := newMeter()
	m.attempt(nil)
	m.attemptPort(fmt.Errorf("connect: %w", unix.ECONNREFUSED))
	if at := m.read().Symptom; !at.IsZero() {
		t.Errorf("a refused connect counts as a lack of ports, at %s", at)
	}
	m.attemptPort(fmt.Errorf("connect: %w", unix.EADDRNOTAVAIL))
	m.attempt(errEnded)
	r := m.read()
	if r.OK != 1 || r.Failed != 3 || r.count("EADDRNOTAVAIL") != 1 || r.Symptom.IsZero() {
		t.Errorf("read %+v", r)
	}
	if got := r.String(); !strings.HasPrefix(got, "1 ok, 1 EADDRNOTAVAIL, 1 ECONNREFUSED, 1 ") {
		t.Errorf("tells %q", got)
	}
}
