// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/golden"
)

const (
	document     = "../../docs/lab.md"
	beginCatalog = "<!-- scenarios: go test ./internal/lab -run TestDocument -update -->\n"
	endCatalog   = "<!-- end of scenarios -->\n"
)

// TestDocumentListsEveryScenario holds the list in docs/lab.md against the lab's own.
func TestDocumentListsEveryScenario(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, begun := strings.Cut(string(text), beginCatalog)
	_, tail, ended := strings.Cut(rest, endCatalog)
	if !begun || !ended {
		t.Fatalf("%s has no place for the scenarios: %q to %q", document, beginCatalog, endCatalog)
	}
	golden.Check(t, document, head+beginCatalog+catalog()+endCatalog+tail)
}

// TestDocumentTellsOfNoOtherScenario holds the results of the last kept run: each is of
// a scenario that there is, and as expected.
func TestDocumentTellsOfNoOtherScenario(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, results, found := strings.Cut(string(text), endCatalog)
	rows := 0
	for line := range strings.Lines(results) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || strings.TrimSpace(cells[1]) == "scenario" || strings.HasPrefix(strings.TrimSpace(cells[1]), "---") {
			continue
		}
		rows++
		name, expected := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[3])
		s, err := Find(name)
		if err != nil {
			t.Error(err)
		} else if want := mustFind(s); expected != want {
			t.Errorf("%s is told to expect %s, not %s", name, expected, want)
		}
	}
	if !found || rows == 0 {
		t.Errorf("%s keeps no run's results", document)
	}
}

func catalog() string {
	var out strings.Builder
	out.WriteString("\n| scenario | must find | seen from | what happens |\n| --- | --- | --- | --- |\n")
	for _, s := range All() {
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", s.Name, mustFind(s), strings.Join(s.Views, ", "), s.Summary)
	}
	out.WriteString("\n## What `check` names before any packet flows\n\n" +
		"Every fault of the list, as a fault or a risk, but these; nothing in any twin, but risks that it truly has " +
		"(`TestAuditNamesWhatShowsBeforeAnyPacket` holds both).\n\n| not these | since |\n| --- | --- |\n")
	for _, one := range unseenScenarios() {
		fmt.Fprintf(&out, "| `%s` | %s |\n", strings.ReplaceAll(one.of, " ", "`, `"), one.why)
	}
	out.WriteString("\n")
	return out.String()
}

// TestUnseenFaultsAreFaults holds the names of those that an audit need not see.
func TestUnseenFaultsAreFaults(t *testing.T) {
	for _, one := range unseenScenarios() {
		for name := range strings.FieldsSeq(one.of) {
			if s, err := Find(name); err != nil || s.Twin() {
				t.Errorf("%s: %v, twin %v", name, err, s.Twin())
			}
		}
	}
}

func mustFind(s Scenario) string {
	if s.Twin() {
		return "silence"
	}
	return string(s.Cause)
}
