// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cpio

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"
)

// entry is what the test's own reader finds in an archive.
type entry struct {
	name, content string
	mode          uint64
}

func TestArchiveReadsBackWithParentsBeforeTheirFiles(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	w.Dir("/dev")
	w.File("/bin/trapbpf", 0o755, []byte("program"))
	w.File("bin/other", 0o644, []byte("12345"))
	w.Link("/lib/a/b", "../c")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := []entry{
		{"dev", "", 0o040755},
		{"bin", "", 0o040755},
		{"bin/trapbpf", "program", 0o100755},
		{"bin/other", "12345", 0o100644},
		{"lib", "", 0o040755},
		{"lib/a", "", 0o040755},
		{"lib/a/b", "../c", 0o120777},
	}
	got := parse(t, out.Bytes())
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("entry %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestArchiveEndsOnABoundaryThatAnotherCanFollow(t *testing.T) {
	var out bytes.Buffer
	for _, name := range []string{"a", "ab", "abc", "abcd"} {
		w := NewWriter(&out)
		w.File(name, 0o644, []byte(name))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if out.Len()%align != 0 {
			t.Errorf("archive with %q ends at %d", name, out.Len())
		}
	}
}

func TestWriterTellsTheFirstErrorAtTheEnd(t *testing.T) {
	w := NewWriter(full{})
	w.File("a", 0o644, nil)
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
}

var errFull = errors.New("disk full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// parse reads an archive by the format's description, not by the writer's code.
func parse(t *testing.T, p []byte) (all []entry) {
	t.Helper()
	for at := 0; ; {
		if string(p[at:at+6]) != "070701" {
			t.Fatalf("no magic at %d", at)
		}
		field := func(i int) int {
			n, err := strconv.ParseUint(string(p[at+6+8*i:at+14+8*i]), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
		size, nameSize, mode := field(6), field(11), field(1)
		name := strings.TrimSuffix(string(p[at+110:at+110+nameSize]), "\x00")
		at = (at + 110 + nameSize + 3) &^ 3
		if name == "TRAILER!!!" {
			return all
		}
		all = append(all, entry{name, string(p[at : at+size]), uint64(mode)})
		at = (at + size + 3) &^ 3
	}
}
