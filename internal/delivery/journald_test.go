// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/sink/ecs"
	"github.com/trapbpf/trapbpf/internal/sink/journald"
)

// ownRun gives this goroutine, and the programs that it starts, a journal of their own. Its
// thread ends with the test.
func ownRun(t *testing.T) {
	t.Helper()
	kerneltest.RequireRoot(t)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/run/systemd", "/run/log"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"/run/systemd/journal", "/run/log/journal"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// journal asks journalctl for a field of the entries that match.
func journal(t *testing.T, field string, matches ...string) []string {
	t.Helper()
	args := append([]string{"--directory=/run/log/journal", "--all", "--output=cat", "--no-pager", "--output-fields=" + field}, matches...)
	out, err := exec.Command("journalctl", args...).Output()
	if err != nil {
		return nil // there is no journal yet
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func TestJournalHasEveryRecordWithFields(t *testing.T) {
	ownRun(t)
	daemon := newDaemon(t, "/lib/systemd/systemd-journald")
	daemon.up()
	kerneltest.Within(t, patience, "journald's socket", func() bool {
		_, err := os.Stat("/run/systemd/journal/socket")
		return err == nil
	})
	s, remote := newStorm(t), journald.New("journal")
	for batch := range slices.Chunk(s.records, 64) {
		var entries []sink.Entry
		for _, r := range batch {
			e, err := sink.EntryOf(r, ecs.Encoder{})
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, e)
		}
		if sent, err := remote.Send(context.Background(), entries); err != nil || sent != len(entries) {
			t.Fatal(sent, err)
		}
	}
	kerneltest.Within(t, patience, "all records", func() bool { return len(journal(t, "TRAPBPF_RECORD", "SYSLOG_IDENTIFIER=trapbpf")) >= len(s.records) })
	if twice := s.check(t, journal(t, "TRAPBPF_RECORD", "SYSLOG_IDENTIFIER=trapbpf")); twice != 0 {
		t.Errorf("%d records came twice", twice)
	}
	opened := journal(t, "MESSAGE", "TRAPBPF_TRAP=asymmetric-routing", "TRAPBPF_ACTION=finding-opened")
	if len(opened) != findings || opened[0] != s.records[0].Message {
		t.Errorf("%d opened, the first %q", len(opened), opened[0])
	}
}
