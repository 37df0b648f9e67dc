// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package golden compares what a test got with a file that holds what is expected.
//
// `go test ./some/package -update` writes the files anew; the difference is then
// for the reviewer of the commit to judge. Only packages whose tests use a golden
// know the flag, so name them rather than ./... .
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

// update is read only by Check. A flag is the one package variable that the
// command line of `go test` needs.
var update = flag.Bool("update", false, "write golden files instead of comparing")

// Check fails the test where got is not what the file at path holds, and shows the
// difference line by line. Relative paths start at the test's package.
func Check[T ~string | ~[]byte](t testing.TB, path string, got T) {
	t.Helper()
	if *update {
		write(t, path, string(got))
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file (run the test with -update to write it): %v", err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs (- is expected, + is what the test got):\n%s", path, Diff(string(want), string(got)))
	}
}

func write(t testing.TB, path, got string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatalf("make folder of golden file: %v", err)
	}
	if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
		t.Fatalf("write golden file: %v", err)
	}
}
