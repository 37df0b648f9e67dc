// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func record(id string, action finding.Action) *finding.Record {
	return &finding.Record{
		ID: id + string(action), Action: action, Alert: action == finding.Opened,
		Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Finding: finding.Finding{
			ID: id, Trap: finding.MTUBlackhole, Cause: "link-drops-oversize", Subject: "eth0",
			Flow: finding.Flow{Destination: netip.MustParseAddr("192.0.2.1")},
			Fix: []finding.Step{{
				Op: finding.LinkOp{Dev: "eth0", MTU: 1400}, Enter: finding.Enter{Name: "web"}, Does: "lowers the MTU", Risk: "none",
			}},
			MTU: &finding.MTU{Path: 1400},
			DNS: &finding.DNS{
				Question: "www.example.org", Type: "A", ResponseCode: "NOERROR",
				ResolvedIP: []netip.Addr{netip.MustParseAddr("192.0.2.2")}, Ndots: 5,
			},
		},
	}
}

func open(t *testing.T, path, boot string) (*Ledger, Left) {
	t.Helper()
	l, left, err := Open(path, Head{PID: 1, Version: "test", Boot: boot})
	if err != nil {
		t.Fatal(err)
	}
	return l, left
}

func write(t *testing.T, l *Ledger, records ...*finding.Record) {
	t.Helper()
	for _, r := range records {
		if err := l.Write(r); err != nil {
			t.Fatal(err)
		}
	}
}

// kill lets go of the file as the end of the process would.
func kill(l *Ledger) {
	_ = l.file.Close()
	_ = l.lock.Close()
}

func ids(records []*finding.Record) string {
	var words []string
	for _, r := range records {
		words = append(words, r.Finding.ID+" "+strings.TrimPrefix(string(r.Action), "finding-"))
	}
	return strings.Join(words, ", ")
}

func TestNextRunFindsWhatIsOpenAsItWasTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "findings.jsonl")
	l, left := open(t, path, "boot")
	if len(left.Open) > 0 || left.Damage != nil {
		t.Fatalf("nothing was there, and %+v was left", left)
	}
	write(t, l, record("a", finding.Opened), record("b", finding.Opened), record("a", finding.Updated), record("b", finding.Closed))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(path)
	if err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: findings are root's to read", stat.Mode())
	}
	l, left = open(t, path, "boot")
	defer kill(l)
	if ids(left.Open) != "a updated" || left.Rebooted || len(left.Untold) > 0 {
		t.Errorf("left %s, %+v", ids(left.Open), left)
	}
	if want := record("a", finding.Updated); !reflect.DeepEqual(left.Open[0], want) {
		t.Errorf("got %+v, want %+v", left.Open[0], want)
	}
}

func TestCrashedRunLeavesWhatItMayNotHaveTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	l, _ := open(t, path, "boot")
	write(t, l, record("a", finding.Opened), record("a", finding.Updated), record("a", finding.Closed), record("b", finding.Opened))
	kill(l)
	l, left := open(t, path, "another boot")
	if ids(left.Untold) != "a opened, a resolved, b opened" || ids(left.Open) != "b opened" || !left.Rebooted {
		t.Errorf("untold %s; open %s; rebooted %v", ids(left.Untold), ids(left.Open), left.Rebooted)
	}
	kill(l)
}

// What the sinks have is not told again, what they may not have is, even where the file was
// written anew in between.
func TestCrashedRunLeavesNothingThatWasHandedOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	l, _ := open(t, path, "boot")
	write(t, l, record("a", finding.Opened))
	if err := l.Handed(); err != nil {
		t.Fatal(err)
	}
	write(t, l, record("b", finding.Opened), record("b", finding.Updated))
	for l.size < slack {
		write(t, l, record("b", finding.Updated))
	}
	write(t, l, record("b", finding.Updated), record("c", finding.Opened))
	if l.size > slack {
		t.Fatal("the file was not written anew")
	}
	write(t, l, record("c", finding.Closed))
	for range 3 { // crashes of runs that told nothing
		kill(l)
		var left Left
		l, left = open(t, path, "boot")
		if ids(left.Untold) != "b opened, c opened, c resolved" || ids(left.Open) != "a opened, b updated" {
			t.Errorf("untold %s; open %s", ids(left.Untold), ids(left.Open))
		}
	}
	if err := errors.Join(l.Handed(), l.Close()); err != nil {
		t.Fatal(err)
	}
	l, left := open(t, path, "boot")
	if len(left.Untold) > 0 {
		t.Errorf("untold %s, though it was handed out", ids(left.Untold))
	}
	kill(l)
}

func TestCutAtAnyByteKeepsWhatWasWholeBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	l, _ := open(t, path, "boot")
	write(t, l, record("a", finding.Opened))
	whole := l.size
	write(t, l, record("b", finding.Opened))
	kill(l)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int64{whole, whole + 1, whole + 200, int64(len(text)) - 2} {
		if err := os.WriteFile(path, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l, left := open(t, path, "boot")
		if ids(left.Open) != "a opened" {
			t.Errorf("cut at %d: %s", cut, ids(left.Open))
		}
		kill(l)
	}
}

func TestFileStaysSmallHoweverLongAFindingLasts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	l, _ := open(t, path, "boot")
	defer kill(l)
	for range 5000 {
		write(t, l, record("a", finding.Updated))
	}
	for i := range 500 {
		write(t, l, record(fmt.Sprint(i), finding.Opened), record(fmt.Sprint(i), finding.Closed))
	}
	stat, err := os.Stat(path)
	if err != nil || stat.Size() > 2*slack {
		t.Errorf("%d bytes, %v", stat.Size(), err)
	}
	found, err := Read(path)
	if err != nil || !found.Kept || len(found.Records) > remembered+1+200 {
		t.Errorf("%d records, kept %v, %v", len(found.Records), found.Kept, err)
	}
	if got := found.Records[len(found.Records)-1].Finding.ID; got != "a" {
		t.Errorf("the last is %s: open findings stand last", got)
	}
}

func TestLedgerIsOneAgents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	l, _ := open(t, path, "boot")
	if _, _, err := Open(path, Head{}); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("error %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if found, err := Read(path); err != nil || found.Kept {
		t.Errorf("kept %v, %v", found.Kept, err)
	}
}

func TestWhatIsNoLedger(t *testing.T) {
	for text, says := range map[string]string{
		"hello\n":                     "is no ledger",
		`{"trapbpf_ledger":9}` + "\n": "newer trapbpf",
		`{"clean":true}` + "\n":       "is no ledger",
	} {
		path := filepath.Join(t.TempDir(), "findings.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v", text, err)
		}
		l, left := open(t, path, "boot")
		if left.Damage == nil {
			t.Errorf("%q: the damage was not told", text)
		}
		kill(l)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestSweepRemovesWhatNoAgentKeeps(t *testing.T) {
	folder := t.TempDir()
	dead, _ := open(t, filepath.Join(folder, "watch-1.jsonl"), "boot")
	write(t, dead, record("a", finding.Opened))
	kill(dead)
	alive, _ := open(t, filepath.Join(folder, "watch-2.jsonl"), "boot")
	defer kill(alive)
	write(t, alive, record("b", finding.Opened))
	if n, err := Sweep(folder); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	all, err := ReadFolder(folder)
	if err != nil || len(all) != 1 || !all[0].Kept || ids(all[0].Records) != "b opened" || all[0].Path != filepath.Join(folder, "watch-2.jsonl") {
		t.Errorf("left: %+v, %v", all, err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 2 {
		t.Errorf("left: %v, %v", entries, err)
	}
	if n, err := Sweep(filepath.Join(folder, "none")); n != 0 || err != nil {
		t.Errorf("a folder that is not there: %d, %v", n, err)
	}
}
