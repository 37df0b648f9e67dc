// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package golden_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/golden"
)

// witness notes what a check says instead of failing.
type witness struct {
	testing.TB
	said string
}

func (w *witness) Helper()                           {}
func (w *witness) Errorf(format string, args ...any) { w.said += fmt.Sprintf(format, args...) }

func TestCheckAcceptsOnlyTheSameBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.golden")
	if err := os.WriteFile(path, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for got, same := range map[string]bool{"one\ntwo\n": true, "one\ntwo": false, "one\n2\n": false, "": false} {
		w := &witness{TB: t}
		golden.Check(w, path, got)
		if (w.said == "") != same {
			t.Errorf("Check of %q says %q, want same = %v", got, w.said, same)
		}
	}
}

func TestDiffShowsOnlyWhatDiffers(t *testing.T) {
	want := strings.Repeat("same\n", 20) + "old\n" + strings.Repeat("end\n", 20)
	got := strings.Replace(want, "old\n", "new\nmore\n", 1)
	diff := golden.Diff(want, got)
	for _, part := range []string{"- old\n", "+ new\n", "+ more\n"} {
		if !strings.Contains(diff, part) {
			t.Errorf("diff lacks %q:\n%s", part, diff)
		}
	}
	if lines := strings.Count(diff, "\n"); lines > 7 {
		t.Errorf("diff has %d lines:\n%s", lines, diff)
	}
}

func TestDiffFindsTheDifferenceInALongLine(t *testing.T) {
	want := strings.Repeat("x", 5000) + "A" + strings.Repeat("y", 5000)
	diff := golden.Diff(want, strings.Replace(want, "A", "B", 1))
	if !strings.Contains(diff, "xAy") || !strings.Contains(diff, "xBy") || len(diff) > 600 {
		t.Errorf("diff of %d bytes: %s", len(diff), diff)
	}
}

func TestDiffShowsControlCharactersAsEscapes(t *testing.T) {
	if diff := golden.Diff("a\x1b[31m\n", "a\n"); strings.Contains(diff, "\x1b") || !strings.Contains(diff, `\x1b`) {
		t.Errorf("diff is %q", diff)
	}
}
