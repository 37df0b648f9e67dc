// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package build makes the static programs that go into a test machine.
package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// module is the import path that every package below is named from.
const module = "github.com/trapbpf/trapbpf"

// Tree is the project's source folder and where built programs go.
type Tree struct {
	// Root holds go.mod, Out the programs.
	Root, Out string
}

// Find gives the tree that the working directory is in; programs go below its
// cache folder.
func Find() (Tree, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Tree{}, fmt.Errorf("find the source tree: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return Tree{Root: dir, Out: filepath.Join(dir, ".cache", "programs")}, nil
		}
		if dir == filepath.Dir(dir) {
			return Tree{}, errors.New("find the source tree: no go.mod here or above")
		}
	}
}

// Kernels is the cache folder of kernels.
func (t Tree) Kernels() string { return filepath.Join(t.Root, ".cache", "kernels") }

// Guest builds the test machine's init.
func (t Tree) Guest(ctx context.Context, arch string) (string, error) {
	return t.program(ctx, arch, "internal/vm/guest", "guest")
}

// Agent builds the agent.
func (t Tree) Agent(ctx context.Context, arch string) (string, error) {
	return t.program(ctx, arch, "cmd/trapbpf", "trapbpf")
}

// Tests builds a package's test binary; the package is named from the module's
// root: "internal/kernel".
func (t Tree) Tests(ctx context.Context, arch, pkg string) (string, error) {
	out := t.out(arch, strings.ReplaceAll(pkg, "/", "-")+".test")
	return out, t.run(ctx, arch, "test", "-c", "-trimpath", "-o", out, module+"/"+pkg)
}

func (t Tree) program(ctx context.Context, arch, pkg, name string) (string, error) {
	out := t.out(arch, name)
	return out, t.run(ctx, arch, "build", "-trimpath", "-ldflags=-s -w", "-o", out, module+"/"+pkg)
}

func (t Tree) out(arch, name string) string { return filepath.Join(t.Out, arch, name) }

// run runs the go command for a static Linux binary of the architecture.
func (t Tree) run(ctx context.Context, arch string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.Root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for %s: %w: %s", args[len(args)-1], arch, err, strings.TrimSpace(string(out)))
	}
	return nil
}
