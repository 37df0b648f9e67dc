// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package arch

import (
	"go/ast"
	"path"
	"strings"
	"testing"
)

// Caps, in lines. They are far above what is aimed at (150 and 20 for Go, 120 for a
// BPF program): they cut off the tail that makes a tree unpleasant.
const (
	capGoFile   = 400
	capFunction = 60
	capBPFFile  = 250
	capREADME   = 150
	capRunbook  = 230
)

func TestGoFilesAndFunctionsStaySmall(t *testing.T) {
	for _, s := range sources(t) {
		if n := s.fset.Position(s.file.FileEnd).Line; n > capGoFile {
			t.Errorf("%s has %d lines; the cap is %d", s.path, n, capGoFile)
		}
		for _, decl := range s.file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if ok && s.lines(fn) > capFunction {
				t.Errorf("%s:%d: %s has %d lines; the cap is %d", s.path, s.line(fn), fn.Name.Name, s.lines(fn), capFunction)
			}
		}
	}
}

func TestProgramsAndPagesStaySmall(t *testing.T) {
	for _, file := range files(t) {
		var limit int
		switch {
		case strings.HasSuffix(file, ".bpf.c"):
			limit = capBPFFile
		case file == "README.md":
			limit = capREADME
		case strings.HasPrefix(file, "internal/trap/") && path.Base(file) == "README.md":
			limit = capRunbook
		default:
			continue
		}
		if n := strings.Count(text(t, file), "\n"); n > limit {
			t.Errorf("%s has %d lines; the cap is %d", file, n, limit)
		}
	}
}
