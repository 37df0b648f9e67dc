// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package arch

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"strings"
	"testing"
)

// pkg is one folder's files with the identifiers resolved inside it.
type pkg struct {
	sources []source
	uses    map[*ast.Ident]types.Object
	scope   *types.Scope
}

// noImporter leaves imported packages unresolved: only names inside a package
// matter here, and no package needs to be built for them.
type noImporter struct{}

func (noImporter) Import(string) (*types.Package, error) { return nil, errors.New("not imported") }

// packages resolves each folder's files, its own tests included: a test that
// changes a package variable makes it mutable as much as other code does.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	byDir := map[string]pkg{}
	for _, s := range sources(t) {
		key := s.dir() + " " + s.file.Name.Name
		p := byDir[key]
		p.sources = append(p.sources, s)
		byDir[key] = p
	}
	for key, p := range byDir {
		byDir[key] = resolve(p)
	}
	return byDir
}

// resolve ignores type errors: without the imported packages there are many.
func resolve(p pkg) pkg {
	files := make([]*ast.File, 0, len(p.sources))
	for _, s := range p.sources {
		files = append(files, s.file)
	}
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: noImporter{}, Error: func(error) {}}
	checked, _ := config.Check("p", p.sources[0].fset, files, &info)
	p.uses, p.scope = info.Uses, checked.Scope()
	return p
}

// global tells whether an expression is rooted in a package variable, and gives
// its name: x, x.f, x[i], *x.
func (p pkg) global(e ast.Expr) (string, bool) {
	for {
		switch inner := e.(type) {
		case *ast.SelectorExpr:
			e = inner.X
		case *ast.IndexExpr:
			e = inner.X
		case *ast.StarExpr:
			e = inner.X
		case *ast.ParenExpr:
			e = inner.X
		case *ast.Ident:
			variable, ok := p.uses[inner].(*types.Var)
			return inner.Name, ok && variable.Parent() == p.scope
		default:
			return "", false
		}
	}
}

// changed gives the expressions that a statement or call changes.
func changed(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if fn, ok := n.Fun.(*ast.Ident); ok && (fn.Name == "delete" || fn.Name == "clear") {
			return n.Args[:1]
		}
	}
	return nil
}

// changes gives, by line, the package variables that a file changes.
func (p pkg) changes(s source) map[int]string {
	found := map[int]string{}
	ast.Inspect(s.file, func(n ast.Node) bool {
		for _, target := range changed(n) {
			if name, ok := p.global(target); ok {
				found[s.line(n)] = name
			}
		}
		return true
	})
	return found
}

func TestPackageVariablesAreNeverChanged(t *testing.T) {
	for _, p := range packages(t) {
		for _, s := range p.sources {
			for line, name := range p.changes(s) {
				t.Errorf("%s:%d: package variable %s is changed, or its address taken", s.path, line, name)
			}
		}
	}
}

func TestChangesOfPackageVariablesAreSeen(t *testing.T) {
	const sample = `package p
var table = map[string]int{}
var count struct{ n []int }
func f(count int) { table := 1; table++; count = 2; _ = table }
func g() { table["a"] = 1 }
func h() { count.n[0]++ }
func i() { delete(table, "a") }
func j() *map[string]int { return &table }
`
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", sample, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	s := source{"p/p.go", fset, file}
	got := resolve(pkg{sources: []source{s}}).changes(s)
	want := map[int]string{5: "table", 6: "count", 7: "table", 8: "table"}
	if !maps.Equal(got, want) {
		t.Errorf("changes %v, want %v", got, want)
	}
}

func TestNoPackageVariableIsALockOrCounter(t *testing.T) {
	for _, s := range sources(t) {
		for _, decl := range s.file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				selector, ok := spec.(*ast.ValueSpec).Type.(*ast.SelectorExpr)
				if !ok {
					continue
				}
				if from, ok := selector.X.(*ast.Ident); ok && (from.Name == "sync" || from.Name == "atomic") {
					t.Errorf("%s:%d: state belongs to a value, not to the package", s.path, s.line(spec))
				}
			}
		}
	}
}

func TestNothingRunsBeforeMain(t *testing.T) {
	for _, s := range sources(t) {
		for _, decl := range s.file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s:%d: init() runs behind the reader's back", s.path, s.line(fn))
			}
		}
	}
}

func TestNothingPanicsOutsideTests(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if fn, ok := call.Fun.(*ast.Ident); ok && fn.Name == "panic" {
					t.Errorf("%s:%d: an agent returns errors", s.path, s.line(n))
				}
			}
			return true
		})
	}
}

func TestErrorsSayWhatWasDoneNotThatItFailed(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			word, ok := n.(*ast.BasicLit)
			if ok && word.Kind == token.STRING && strings.HasPrefix(word.Value, `"failed to`) {
				t.Errorf("%s:%d: an error is a verb phrase with its cause: %s", s.path, s.line(n), word.Value)
			}
			return true
		})
	}
}
