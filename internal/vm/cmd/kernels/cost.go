// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/trapbpf/trapbpf/internal/agent"
	"github.com/trapbpf/trapbpf/internal/vm/build"
	"github.com/trapbpf/trapbpf/internal/vm/matrix"
)

// costTest is the test that makes every rung run, and logs what that cost.
const costTest = "TestEveryRungRunsUnderTheSameTraffic"

// measure runs it on this machine, which must be root and not emulated, and keeps
// what it says.
func measure(ctx context.Context, tree build.Tree) (int, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-run", costTest, "./internal/kernel")
	cmd.Dir, cmd.Stderr = tree.Root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return exitFailed, fmt.Errorf("measure what rungs cost: %w: %s", err, out)
	}
	r := matrix.ReadHardware(shortRelease(), string(out))
	if len(r.Rungs) == 0 {
		return exitFailed, errors.New("measure what rungs cost: the test told nothing: run as root")
	}
	if err := storeOf(tree).Save(r); err != nil {
		return exitFailed, err
	}
	return table(tree)
}

// shortRelease is this kernel's version without its builder's words.
func shortRelease() string {
	release, _, _ := strings.Cut(agent.Release(), "-")
	return release
}
