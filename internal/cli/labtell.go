// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/trapbpf/trapbpf/internal/lab"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// labProgress tells a run's story line by line, on stderr where stdout is for
// results as JSON.
func labProgress(env Environment, output string) func(lab.Event) {
	out := env.Stdout
	if output == "json" {
		out = env.Stderr
	}
	return func(e lab.Event) {
		fmt.Fprintf(out, "%7.3fs  %s\n", e.Elapsed.Seconds(), e.Text)
		if len(e.Record) > 0 {
			tellRecord(func(format string, args ...any) { fmt.Fprintf(out, format, args...) }, e.Record)
		}
	}
}

// tellRecord prints what a person wants of a record while the lab runs.
func tellRecord(print func(string, ...any), line []byte) {
	doc, err := finding.ParseRecord(line)
	if err != nil {
		print("          unreadable record: %v\n", err)
		return
	}
	print("          %s  %s  %s (%s, confidence %d)\n", doc.Event.Action, doc.Message, doc.Trapbpf.Cause, doc.Trapbpf.Status, doc.Trapbpf.Confidence)
	if doc.Event.Action != finding.Opened {
		return
	}
	for _, words := range doc.Trapbpf.Evidence {
		print("            why     %s\n", words)
	}
	for _, words := range doc.Trapbpf.Fix {
		print("            fix     %s\n", words)
	}
	for _, words := range doc.Trapbpf.Verify {
		print("            verify  %s\n", words)
	}
}

func tellResult(env Environment, output string, r *lab.Result) error {
	if output == "json" {
		return json.NewEncoder(env.Stdout).Encode(r)
	}
	fmt.Fprintf(env.Stdout, "%s: %s (expected %s)\n", r.Scenario, r.Verdict, r.Expected)
	if delay, ok := r.Delay(); ok {
		fmt.Fprintf(env.Stdout, "  first symptom to record: %s\n", delay.Round(time.Millisecond))
	}
	if certainty, ok := r.Certainty(); ok {
		fmt.Fprintf(env.Stdout, "  first symptom to certainty: %s\n", certainty.Round(time.Millisecond))
	}
	if recovery, ok := r.Recovery(); ok {
		fmt.Fprintf(env.Stdout, "  fix to resolved: %s\n", recovery.Round(time.Millisecond))
	}
	if relapse, ok := r.Relapse(); ok {
		fmt.Fprintf(env.Stdout, "  undo to record: %s\n", relapse.Round(time.Millisecond))
	}
	if r.Fix != "" {
		fmt.Fprintf(env.Stdout, "  fix: %s\n", r.Fix)
	}
	fmt.Fprintf(env.Stdout, "  agent: %.1f MB resident, stopped in %s\n", float64(r.Resident)/1e6, r.Stop.Round(time.Millisecond))
	for _, note := range r.Notes {
		fmt.Fprintf(env.Stdout, "  note: %s\n", note)
	}
	for _, problem := range r.Problems {
		fmt.Fprintf(env.Stdout, "  problem: %s\n", problem)
	}
	return nil
}
