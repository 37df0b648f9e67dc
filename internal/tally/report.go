// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// line is one line of `go test -json` (go doc test2json).
type line struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
}

// test names one test or, with name "", one package.
type test struct{ pkg, name string }

// report counts results and keeps what running tests print until it is known
// whether anybody wants to read it.
type report struct {
	out     io.Writer
	verbose bool
	printed map[test]*strings.Builder
	// parents are tests with subtests: only leaves count.
	parents map[test]bool
	results map[test]string
	skipped []test
	broken  bool
}

func newReport(out io.Writer, verbose bool) *report {
	return &report{
		out: out, verbose: verbose,
		printed: map[test]*strings.Builder{},
		parents: map[test]bool{},
		results: map[test]string{},
	}
}

// read takes the whole stream. A line that is no JSON (a tool's own message) is
// shown as it is.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		text, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(text)) > 0 {
			r.take(text)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read test results: %w", err)
		}
	}
}

func (r *report) take(text []byte) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		fmt.Fprintf(r.out, "%s\n", bytes.TrimRight(text, "\n"))
		return
	}
	at := test{l.Package, l.Test}
	switch l.Action {
	case "build-output":
		fmt.Fprint(r.out, l.Output)
	case "build-fail":
		r.broken = true
	case "output":
		r.print(at, l.Output)
	case "pass", "fail", "skip":
		r.close(at, l.Action)
	}
}

// print keeps a test's output; a package's own lines (ok, FAIL, "no test files")
// are shown at once.
func (r *report) print(at test, output string) {
	if at.name == "" {
		if output != "PASS\n" && output != "FAIL\n" {
			fmt.Fprint(r.out, output)
		}
		return
	}
	if r.printed[at] == nil {
		r.printed[at] = &strings.Builder{}
	}
	r.printed[at].WriteString(output)
}

func (r *report) close(at test, result string) {
	if at.name == "" {
		r.broken = r.broken || result == "fail"
		return
	}
	for parent, found := cutLast(at.name); found; parent, found = cutLast(parent) {
		r.parents[test{at.pkg, parent}] = true
	}
	r.results[at] = result
	if result == "skip" {
		r.skipped = append(r.skipped, at)
	}
	if r.verbose || result != "pass" {
		fmt.Fprint(r.out, r.printedBy(at))
	}
	delete(r.printed, at)
}

func (r *report) printedBy(at test) string {
	if b := r.printed[at]; b != nil {
		return b.String()
	}
	return ""
}

// finish shows what never ended and the closing line, and tells whether all is
// well.
func (r *report) finish(noskip bool) bool {
	for at, b := range r.printed {
		fmt.Fprintf(r.out, "%s.%s never ended:\n%s", at.pkg, at.name, b)
	}
	count := map[string]int{}
	for at, result := range r.results {
		if !r.parents[at] {
			count[result]++
		}
	}
	if noskip && len(r.skipped) > 0 {
		fmt.Fprintf(r.out, "skipped, though this machine should run every test:\n")
		for _, at := range r.skipped {
			fmt.Fprintf(r.out, "\t%s.%s\n", at.pkg, at.name)
		}
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", count["pass"], count["fail"], count["skip"])
	unhappy := r.broken || count["fail"] > 0 || len(r.printed) > 0 || noskip && len(r.skipped) > 0
	return !unhappy && len(r.results) > 0
}

// cutLast gives the test that a subtest belongs to.
func cutLast(name string) (parent string, found bool) {
	at := strings.LastIndexByte(name, '/')
	if at < 0 {
		return "", false
	}
	return name[:at], true
}
