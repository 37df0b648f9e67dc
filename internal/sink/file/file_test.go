// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// numbers writes a record as a line of its sequence number, padded.
type numbers struct{ width int }

func (n numbers) Append(dst []byte, r *finding.Record) ([]byte, error) {
	return fmt.Appendf(dst, "%0*d\n", n.width-1, r.Sequence), nil
}

func writeAll(t *testing.T, s *Sink, from, to uint64) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := s.Write(&finding.Record{Sequence: i}); err != nil {
			t.Fatal(err)
		}
	}
}

func textOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFileIsForItsOwnerAndGroup(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077)) // as the service has it
	path := filepath.Join(t.TempDir(), "f")
	s := New("f", Options{Path: path}, numbers{4})
	writeAll(t, s, 1, 2)
	if got := textOf(t, path); got != "001\n002\n" {
		t.Errorf("got %q", got)
	}
	stat, err := os.Stat(path)
	if err != nil || stat.Mode().Perm() != mode {
		t.Errorf("mode %v, %v", stat.Mode(), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestRotationKeepsTheNewest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	s := New("f", Options{Path: path, MaxSize: 8, Keep: 2}, numbers{4})
	writeAll(t, s, 1, 7)
	for name, want := range map[string]string{"": "007\n", ".1": "005\n006\n", ".2": "003\n004\n"} {
		if got := textOf(t, path+name); got != want {
			t.Errorf("f%s holds %q, want %q", name, got, want)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("f.3 is one too many")
	}
}

func TestMovedFileIsMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	s := New("f", Options{Path: path}, numbers{4})
	writeAll(t, s, 1, 1)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	writeAll(t, s, 2, 2)
	if old, now := textOf(t, path+".old"), textOf(t, path); old != "001\n" || now != "002\n" {
		t.Errorf("moved %q, new %q", old, now)
	}
}

func TestReopenOpensTheFileAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	s := New("f", Options{Path: path}, numbers{4})
	writeAll(t, s, 1, 1)
	before := s.file
	s.Reopen()
	writeAll(t, s, 2, 2)
	if s.file == before || textOf(t, path) != "001\n002\n" {
		t.Error("the file was not opened anew, or lost a line")
	}
}

func TestHalfALineOfAKilledProgramIsCutOff(t *testing.T) {
	foreign := strings.Repeat("x", finding.MaxLine+10)
	for name, c := range map[string]struct{ before, after string }{
		"half a line":         {"001\n00", "001\n002\n"},
		"only half a line":    {"00", "002\n"},
		"whole lines":         {"001\n", "001\n002\n"},
		"too long to be ours": {foreign, foreign + "002\n"},
	} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
			t.Fatal(err)
		}
		writeAll(t, New("f", Options{Path: path}, numbers{4}), 2, 2)
		if got := textOf(t, path); got != c.after {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// On a disk of one page that is almost full, a record that does not fit leaves no half
// a line, and once there is room the next is written.
func TestFullDiskLeavesWholeLines(t *testing.T) {
	kerneltest.RequireRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
	path, filler := filepath.Join(dir, "f"), filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, bytes.Repeat([]byte("x"), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	s := New("f", Options{Path: path}, numbers{3000})
	t.Cleanup(func() { _ = s.Close() }) // before the file system goes
	writeAll(t, s, 1, 1)
	if err := s.Write(&finding.Record{Sequence: 2}); err == nil {
		t.Fatal("4096 bytes held 6000")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	writeAll(t, s, 3, 3)
	lines := strings.Split(strings.TrimSuffix(textOf(t, path), "\n"), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "1") || !strings.HasSuffix(lines[1], "3") {
		t.Errorf("%d lines", len(lines))
	}
}

func TestUnwritablePathIsAnError(t *testing.T) {
	s := New("f", Options{Path: filepath.Join(t.TempDir(), "no", "f")}, numbers{4})
	if err := s.Write(&finding.Record{}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("error %v", err)
	}
}
