// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package arch

import (
	"go/ast"
	"slices"
	"strconv"
	"testing"
)

// pureImports are the only packages from outside that the middle may use: none of
// them can look at the world. embed is there for runbook pages, which are part of
// the binary.
var pureImports = []string{
	"bytes", "cmp", "container/heap", "container/list", "crypto/sha256", "embed", "encoding/binary", "encoding/hex",
	"encoding/json", "errors", "fmt", "hash/fnv", "hash/maphash", "iter", "maps", "math", "math/bits", "net/netip",
	"slices", "sort", "strconv", "strings", "time", "unicode", "unicode/utf8", "github.com/google/uuid",
}

// clocks are the names of package time that read or wait for a clock, and of
// package uuid that draw instead of computing.
var clocks = map[string][]string{
	"time":    {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation"},
	"uuid":    {"New", "NewV7", "NewV6", "NewUUID", "NewRandom", "NewString", "Must"},
	"maphash": {"MakeSeed", "String", "Bytes", "Comparable"},
}

func middleSources(t *testing.T) []source {
	return slices.DeleteFunc(sources(t), func(s source) bool {
		return s.isTest() || roomOf(s.dir(), middle) == ""
	})
}

func TestMiddleImportsNothingThatSeesTheWorld(t *testing.T) {
	for _, s := range middleSources(t) {
		own := imports(s)
		for _, spec := range s.file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if !slices.Contains(pureImports, path) && !slices.Contains(own, trimModule(path)) {
				t.Errorf("%s imports %s: what the middle needs to know comes as an event", s.path, path)
			}
		}
	}
}

func TestMiddleHasNoClockAndNoGoroutine(t *testing.T) {
	for _, s := range middleSources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
				t.Errorf("%s:%d: the middle runs on one goroutine and talks by calls", s.path, s.line(n))
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok && slices.Contains(clocks[pkg.Name], n.Sel.Name) {
					t.Errorf("%s:%d: %s.%s: time and chance come as events", s.path, s.line(n), pkg.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
}

func trimModule(path string) string {
	if len(path) > len(module) && path[:len(module)] == module {
		return path[len(module):]
	}
	return path
}
