// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package all

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/golden"
)

const (
	readme    = "../../../README.md"
	beginList = "<!-- traps: go test ./internal/trap/all -run TestReadme -update -->\n"
	endList   = "<!-- end of traps -->\n"
)

// page is a runbook page in parts.
type page struct {
	file, trap, gist string
	sections         map[string]string // by cause
	causes           []string          // in the page's order
}

func pages(t *testing.T) []page {
	t.Helper()
	files, err := filepath.Glob("../*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []page
	for _, d := range Detectors() {
		p := page{sections: map[string]string{}}
		title, _, _ := strings.Cut(d.Page(), "\n")
		p.trap, p.gist, _ = strings.Cut(strings.TrimPrefix(title, "# "), ": ")
		if p.trap != string(d.Trap()) || p.gist == "" {
			t.Errorf("the page of %s begins with %q, not with its name and a line on it", d.Trap(), title)
		}
		for _, part := range strings.Split(d.Page(), "\n## ")[1:] {
			name, text, _ := strings.Cut(part, "\n")
			p.causes = append(p.causes, name)
			p.sections[name] = text
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && string(text) == d.Page() {
				p.file = strings.TrimPrefix(filepath.ToSlash(filepath.Clean(file)), "../")
			}
		}
		all = append(all, p)
	}
	return all
}

// TestEveryCauseHasTheWholeRunbook: what a cause has in common with another one is said
// there, so headings may be shared.
func TestEveryCauseHasTheWholeRunbook(t *testing.T) {
	for _, p := range pages(t) {
		for _, cause := range p.causes {
			if strings.Contains(p.sections[cause], "Not reported by this version") {
				continue
			}
			headings := ""
			for line := range strings.Lines(p.sections[cause]) {
				if strings.HasPrefix(line, "### ") {
					headings += strings.ToLower(line)
				}
			}
			for _, part := range []string{"symptoms", "how trapbpf recognises it", "by hand", "fix", "keep it", "verify", "false friends"} {
				if !strings.Contains(headings, part) {
					t.Errorf("%s, %s: nothing under %q", p.trap, cause, part)
				}
			}
		}
	}
}

// TestReadmeListsEveryCause holds the README's list against the pages.
func TestReadmeListsEveryCause(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, begun := strings.Cut(string(text), beginList)
	_, tail, ended := strings.Cut(rest, endList)
	if !begun || !ended {
		t.Fatalf("%s has no place for the traps: %q to %q", readme, beginList, endList)
	}
	var list strings.Builder
	list.WriteString("\n| trap | causes |\n|---|---|\n")
	for _, p := range pages(t) {
		var causes []string
		for _, cause := range p.causes {
			causes = append(causes, fmt.Sprintf("[%s](internal/trap/%s#%s)", cause, p.file, cause))
		}
		fmt.Fprintf(&list, "| [%s](internal/trap/%s): %s | %s |\n", p.trap, p.file, p.gist, strings.Join(causes, ", "))
	}
	list.WriteString("\n")
	golden.Check(t, readme, head+beginList+list.String()+endList+tail)
}
