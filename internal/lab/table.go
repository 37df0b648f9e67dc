// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// tableHead are the columns of Table.
const tableHead = "scenario|view|expected|check|verdict|symptom to record|fix to resolved|undo to record|verify|memory|problems"

// Table renders results as a Markdown table whose columns line up as plain text
// too, followed by the confusion counts.
func Table(results []Result) string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 1, ' ', 0)
	head := strings.Split(tableHead, "|")
	tableRow(table, head)
	rule := make([]string, len(head))
	for i := range head {
		rule[i] = "---"
	}
	tableRow(table, rule)
	counts := map[Verdict]int{}
	bad := 0
	for i := range results {
		r := &results[i]
		counts[r.Verdict]++
		if !r.Good() {
			bad++
		}
		tableRow(table, r.cells())
	}
	_ = table.Flush() // a strings.Builder takes everything
	fmt.Fprintf(&out, "\n%d found, %d missed, %d silent, %d false alarms; %d of %d runs as promised\n",
		counts[Found], counts[Missed], counts[Silent], counts[FalseAlarm], len(results)-bad, len(results))
	return out.String()
}

func (r *Result) cells() []string {
	delay, recovery := "", ""
	if d, ok := r.Delay(); ok {
		delay = seconds(d)
	} else if r.Verdict == Found {
		delay = "before any"
	}
	if d, ok := r.Recovery(); ok {
		recovery = seconds(d)
	}
	relapse := ""
	if d, ok := r.Relapse(); ok {
		relapse = seconds(d)
	}
	problems := strings.NewReplacer("|", "/", "\n", " ").Replace(strings.Join(r.Problems, "; "))
	memory := fmt.Sprintf("%.0f MB", float64(r.Resident)/(1<<20))
	return []string{r.Scenario, r.View, r.Expected, r.Audit, string(r.Verdict), delay, recovery, relapse, strings.Join(r.Verified, ", "), memory, problems}
}

func tableRow(w *tabwriter.Writer, cells []string) {
	fmt.Fprintf(w, "| %s\t|\n", strings.Join(cells, "\t| "))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }
