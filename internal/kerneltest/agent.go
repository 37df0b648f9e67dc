// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kerneltest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BuildAgent builds the agent into a folder, with what flags of `go build` are given, and
// gives the binary's path.
func BuildAgent(t testing.TB, folder string, flags ...string) string {
	t.Helper()
	binary := filepath.Join(folder, "trapbpf")
	args := append(append([]string{"build"}, flags...), "-o", binary, "github.com/trapbpf/trapbpf/cmd/trapbpf")
	build := exec.Command("go", args...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v\n%s", err, out)
	}
	return binary
}
