// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

const (
	passing = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"quiet please\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`
	skipping = `{"Action":"output","Package":"p","Test":"TestB","Output":"needs root\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p"}
`
	failing = `{"Action":"output","Package":"p","Test":"TestC/one","Output":"boom\n"}
{"Action":"fail","Package":"p","Test":"TestC/one"}
{"Action":"pass","Package":"p","Test":"TestC/two"}
{"Action":"fail","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p"}
`
	unbuilt = `{"ImportPath":"p","Action":"build-output","Output":"x.go:1: no such thing\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"fail","Package":"p","FailedBuild":"p"}
`
	unfinished = `{"Action":"output","Package":"p","Test":"TestD","Output":"still here\n"}
`
)

func TestClosingLineCountsLeavesOnly(t *testing.T) {
	cases := []struct {
		name, in, last string
		noskip, well   bool
	}{
		{"passing", passing, "1 passed, 0 failed, 0 skipped", true, true},
		{"a skip is allowed", passing + skipping, "1 passed, 0 failed, 1 skipped", false, true},
		{"a skip is a failure", passing + skipping, "1 passed, 0 failed, 1 skipped", true, false},
		{"subtests", failing, "1 passed, 1 failed, 0 skipped", false, false},
		{"a package does not build", passing + unbuilt, "1 passed, 0 failed, 0 skipped", false, false},
		{"a test never ends", passing + unfinished, "1 passed, 0 failed, 0 skipped", false, false},
		{"no test ran", "", "0 passed, 0 failed, 0 skipped", false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text, well := tally(t, c.in, c.noskip)
			lines := strings.Split(strings.TrimSpace(text), "\n")
			if last := lines[len(lines)-1]; last != c.last {
				t.Errorf("closing line %q, want %q", last, c.last)
			}
			if well != c.well {
				t.Errorf("all is well: %v, want %v", well, c.well)
			}
		})
	}
}

func TestFailuresAreShownAndPassesAreNot(t *testing.T) {
	text, _ := tally(t, passing+failing+unbuilt+unfinished, false)
	for _, want := range []string{"boom", "no such thing", "still here", "ok  \tp"} {
		if !strings.Contains(text, want) {
			t.Errorf("output lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "quiet please") {
		t.Errorf("a passing test's output is shown:\n%s", text)
	}
}

func TestWhatIsNoJSONIsShown(t *testing.T) {
	text, _ := tally(t, "go: some complaint\n"+passing, false)
	if !strings.HasPrefix(text, "go: some complaint\n") {
		t.Errorf("complaint is missing:\n%s", text)
	}
}

func tally(t *testing.T, in string, noskip bool) (string, bool) {
	t.Helper()
	var out strings.Builder
	r := newReport(&out, false)
	if err := r.read(strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	well := r.finish(noskip)
	return out.String(), well
}
