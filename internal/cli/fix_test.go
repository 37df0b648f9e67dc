// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/ledger"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// told gives ledgers of which a watch that runs has two findings, one of them resolved.
func told(t *testing.T) ledgers {
	t.Helper()
	from := ledgers{state: t.TempDir(), watch: t.TempDir()}
	l, _, err := ledger.Open(filepath.Join(from.watch, "watch-1.jsonl"), ledger.Head{PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for id, action := range map[string]finding.Action{"abc1": finding.Opened, "abd2": finding.Closed} {
		err := l.Write(&finding.Record{ID: id, Action: action, Time: time.Unix(1, 0), Finding: finding.Finding{
			ID: id, Trap: finding.MTUBlackhole, Cause: "link-drops-oversize", Message: "lost at \x1b " + id,
			Fix: []finding.Step{{Op: finding.LinkOp{Dev: "eth0", MTU: 1400}, Enter: finding.Enter{Name: "web"}, Risk: "smaller packets"}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return from
}

func TestFindingsListsOpenOnesUnlessAll(t *testing.T) {
	from := told(t)
	for _, all := range []bool{false, true} {
		var out, log bytes.Buffer
		if err := findings(Environment{Stdout: &out, Stderr: &log}, from, all, false); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "abc1") || strings.Contains(out.String(), "abd2") != all {
			t.Errorf("all %v: %s", all, out.String())
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Error("a control character reached the terminal")
		}
	}
}

func TestFixIsFoundByTheBeginningOfItsID(t *testing.T) {
	from := told(t)
	r, err := from.find("abc")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printFix(Environment{Stdout: &out}, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ip netns exec web ip link set dev eth0 mtu 1400", "risk: smaller packets"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
	for _, wrong := range []string{"ab", "x", ""} {
		var usage usageError
		if _, err := from.find(wrong); !errors.As(err, &usage) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestFindingInTwoLedgersIsAskedBack(t *testing.T) {
	from := told(t)
	copied := filepath.Join(from.state, ledger.ServiceName)
	one, _, err := ledger.Open(copied, ledger.Head{PID: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Write(&finding.Record{Action: finding.Updated, Finding: finding.Finding{ID: "abc1", Message: "of the service"}}); err != nil {
		t.Fatal(err)
	}
	var usage usageError
	if _, err := from.find("abc1"); !errors.As(err, &usage) || !strings.Contains(err.Error(), copied) || !strings.Contains(err.Error(), "--ledger") {
		t.Errorf("it says %v", err)
	}
	chosen := from
	chosen.only = copied
	if r, err := chosen.find("abc1"); err != nil || r.Message != "of the service" {
		t.Errorf("found %v, %v", r, err)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := from.find("abc1"); err != nil || r.Message == "of the service" {
		t.Errorf("the one that an agent keeps goes first: %v, %v", r, err)
	}
	chosen.only += "x"
	if _, err := chosen.find("abc1"); !errors.As(err, &usage) {
		t.Errorf("a ledger that is not there: %v", err)
	}
}

func TestLedgerOfANewerAgentSaysSo(t *testing.T) {
	from := ledgers{state: t.TempDir(), watch: t.TempDir()}
	if err := os.WriteFile(filepath.Join(from.watch, "watch-1.jsonl"), []byte(`{"trapbpf_ledger":9}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := from.find("abc"); err == nil || !strings.Contains(err.Error(), "newer trapbpf") {
		t.Errorf("it says %v", err)
	}
}

func TestFlagsOfFixThatDoNotGoTogether(t *testing.T) {
	for _, args := range [][]string{
		{"fix", "x", "--apply", "--undo"}, {"fix", "x", "--step", "1"}, {"fix", "x", "--rollback-on-failure"}, {"fix", "x", "--apply", "--step", "0"},
	} {
		if code, _, stderr := run(t, args...); code != exitUsage || !strings.Contains(stderr, "--") {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
}
