// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is the repository, seen from this package's folder.
const root = "../.."

// source is one parsed Go file.
type source struct {
	path string // slash-separated, from the root
	fset *token.FileSet
	file *ast.File
}

// dir is the folder that the file is in: the package's path within the module.
func (s source) dir() string { return s.path[:strings.LastIndexByte(s.path, '/')] }

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// line gives a node's line, and lines how many it takes.
func (s source) line(n ast.Node) int { return s.fset.Position(n.Pos()).Line }

func (s source) lines(n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.line(n) + 1
}

// files gives every file of the tree that could be committed, from the root.
func files(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && (name == ".git" || name == ".cache" || name == "bin") {
			return filepath.SkipDir
		}
		if entry.Type().IsRegular() {
			rel, _ := filepath.Rel(root, path)
			found = append(found, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// sources parses the module's Go files, whatever their build constraints, but
// leaves out generated ones.
func sources(t *testing.T) []source {
	t.Helper()
	var parsed []source
	fset := token.NewFileSet()
	for _, path := range files(t) {
		if !strings.HasSuffix(path, ".go") || strings.Contains(path, "/testdata/") {
			continue
		}
		file, err := parser.ParseFile(fset, filepath.Join(root, path), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parse %s: %v", path, err)
		}
		if !ast.IsGenerated(file) {
			parsed = append(parsed, source{path, fset, file})
		}
	}
	if len(parsed) < 20 {
		t.Fatalf("found only %d Go files: is %s the repository?", len(parsed), root)
	}
	return parsed
}

// text reads one file of the tree.
func text(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
