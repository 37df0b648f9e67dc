// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package arch

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// papers are the documents that are held to the truth.
func papers(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, file := range files(t) {
		if path.Ext(file) == ".md" && !strings.Contains(file, "/testdata/") {
			found = append(found, file)
		}
	}
	return found
}

var (
	// link is a Markdown link's target, without its fragment.
	link = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	// place is a path of this tree in code style, without a placeholder.
	place = regexp.MustCompile("`((?:bpf|cmd|internal|pkg|tools|docs|LICENSES|\\.ci)/?[^`<>*{} ]*)`")
)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, paper := range papers(t) {
		for _, m := range link.FindAllStringSubmatch(text(t, paper), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if !exists(path.Join(path.Dir(paper), m[1])) {
				t.Errorf("%s links to %s, which is not there", paper, m[1])
			}
		}
	}
}

func TestPathsInDocumentsExist(t *testing.T) {
	for _, paper := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"} {
		for _, m := range place.FindAllStringSubmatch(text(t, paper), -1) {
			if m[1] != "bin/trapbpf" && !exists(m[1]) {
				t.Errorf("%s speaks of %s, which is not there", paper, m[1])
			}
		}
	}
}

func exists(file string) bool {
	_, err := os.Stat(filepath.Join(root, file))
	return err == nil
}

// event.reference of a record is its cause's heading on its trap's page.
func TestEveryCauseHasASection(t *testing.T) {
	causes := 0
	for _, s := range sources(t) {
		trap, ok := strings.CutPrefix(s.dir(), "internal/trap/")
		if !ok || trap == "all" || s.isTest() {
			continue
		}
		for _, cause := range causesIn(s.file) {
			causes++
			page := "internal/trap/" + trap + "/README.md"
			if !strings.Contains(text(t, page), "\n## "+cause+"\n") {
				t.Errorf("%s has no section %q", page, cause)
			}
		}
	}
	if causes < 7 {
		t.Errorf("found only %d causes in the detectors", causes)
	}
}

// causesIn lists the constants of type finding.Cause.
func causesIn(file *ast.File) []string {
	var causes []string
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			value := spec.(*ast.ValueSpec)
			of, typed := value.Type.(*ast.SelectorExpr)
			if !typed || of.Sel.Name != "Cause" || len(value.Values) == 0 {
				continue
			}
			if literal, ok := value.Values[0].(*ast.BasicLit); ok {
				word, _ := strconv.Unquote(literal.Value)
				causes = append(causes, word)
			}
		}
	}
	return causes
}
