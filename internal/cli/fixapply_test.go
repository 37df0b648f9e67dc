// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/ledger"
	"github.com/trapbpf/trapbpf/internal/remedy"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// mending is a namespace with a setting to mend, and a ledger with the finding of it.
type mending struct {
	mender
	t   *testing.T
	ns  *kerneltest.Netns
	out bytes.Buffer
	// record is the finding as it was opened.
	record *finding.Record
	ledger *ledger.Ledger
}

const filterKey = "ipv4/conf/lo/rp_filter"

func newMending(t *testing.T) *mending {
	t.Helper()
	kerneltest.RequireRoot(t)
	m := &mending{t: t, ns: kerneltest.Namespace(t)}
	m.ns.Sysctl(t, filterKey, "1")
	set := func(parameter, value string) finding.Step {
		key := finding.SysctlKey("net", "ipv4", "conf", "lo", parameter)
		return finding.Step{Op: finding.Sysctl{Key: key, Value: value}, Enter: finding.Enter{Name: m.ns.Name}}
	}
	m.record = &finding.Record{ID: "r", Action: finding.Opened, Finding: finding.Finding{
		ID: "f", Trap: finding.AsymmetricRouting, Netns: finding.Netns{Inode: uint32(m.ns.ID), Name: m.ns.Name},
		Fix:  []finding.Step{{Op: finding.Command{Line: "# think"}}, set("rp_filter", "2"), set("log_martians", "1")},
		Undo: []finding.Step{set("rp_filter", "1"), set("log_martians", "0")},
	}}
	m.from = ledgers{state: t.TempDir(), watch: t.TempDir()}
	l, _, err := ledger.Open(filepath.Join(m.from.watch, "watch-1.jsonl"), ledger.Head{PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // the folder goes away
	m.ledger = l
	m.tell(finding.Opened)
	m.env = Environment{Stdout: &m.out}
	m.shelf = remedy.Shelf{Folder: filepath.Join(t.TempDir(), "fixes")}
	m.patience = time.Second
	return m
}

// tell writes what an agent says of the finding.
func (m *mending) tell(action finding.Action) {
	m.t.Helper()
	told := *m.record
	told.Action = action
	if err := m.ledger.Write(&told); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mending) holds(key, want string) {
	m.t.Helper()
	m.ns.Do(m.t, func() error {
		text, err := os.ReadFile("/proc/sys/net/" + key)
		if err == nil && strings.TrimSpace(string(text)) != want {
			m.t.Errorf("%s is %q, want %s", key, text, want)
		}
		return err
	})
}

func TestAppliedFixIsTakenBackAndAChangedHostRefused(t *testing.T) {
	m := newMending(t)
	ctx := context.Background()
	m.tell(finding.Closed) // what the agent sees of the fix
	if err := m.apply(ctx, m.record, 0, false); err != nil {
		t.Fatal(err)
	}
	m.holds(filterKey, "2")
	kept, err := os.Stat(filepath.Join(m.shelf.Folder, "f.json"))
	if err != nil || kept.Mode().Perm() != 0o600 {
		t.Errorf("the undo is kept as %v, %v: it is root's alone", kept, err)
	}
	var usage usageError
	if err := m.apply(ctx, m.record, 0, false); !errors.As(err, &usage) {
		t.Errorf("applied twice: %v", err)
	}
	if err := m.undo(ctx, "f"); err != nil {
		t.Fatal(err)
	}
	m.holds(filterKey, "1")
	if err := m.undo(ctx, "f"); !errors.As(err, &usage) {
		t.Errorf("undone twice: %v", err)
	}
	m.ns.Sysctl(t, filterKey, "0")
	if err := m.apply(ctx, m.record, 0, false); !errors.Is(err, remedy.ErrChanged) {
		t.Errorf("a host that changed: %v", err)
	}
	m.holds(filterKey, "0")
}

func TestUndoRefusesWhatIsNotAsTheFixLeftIt(t *testing.T) {
	m := newMending(t)
	m.tell(finding.Closed)
	if err := m.apply(context.Background(), m.record, 2, false); err != nil {
		t.Fatal(err)
	}
	m.ns.Sysctl(t, filterKey, "0")
	err := m.undo(context.Background(), "f")
	if !errors.Is(err, remedy.ErrChanged) || !strings.Contains(err.Error(), "rp_filter=0") || !strings.Contains(err.Error(), "rp_filter=2") {
		t.Errorf("undo says %v", err)
	}
	m.holds(filterKey, "0")
	m.ns.Sysctl(t, filterKey, "2")
	if err := m.undo(context.Background(), "f"); err != nil {
		t.Error(err)
	}
	m.holds(filterKey, "1")
}

func TestStepIsChosenByItsNumber(t *testing.T) {
	m := newMending(t)
	m.tell(finding.Closed)
	if err := m.apply(context.Background(), m.record, 3, false); err != nil {
		t.Fatal(err)
	}
	m.holds(filterKey, "1")
	m.holds("ipv4/conf/lo/log_martians", "1")
	if err := m.undo(context.Background(), "f"); err != nil {
		t.Fatal(err)
	}
	m.holds("ipv4/conf/lo/log_martians", "0")
	var shell *remedy.NotNativeError
	if err := m.apply(context.Background(), m.record, 1, false); !errors.As(err, &shell) {
		t.Errorf("a remark was applied: %v", err)
	}
	if err := m.apply(context.Background(), m.record, 4, false); !errors.Is(err, remedy.ErrNoStep) {
		t.Errorf("there is no step 4: %v", err)
	}
}

func TestFixThatDoesNotHelpIsRolledBackWhereAsked(t *testing.T) {
	for _, rollback := range []bool{false, true} {
		m := newMending(t)
		var log bytes.Buffer
		m.env.Stderr, m.env.StderrTerminal = &log, true
		err := m.apply(context.Background(), m.record, 0, rollback)
		if err == nil || !strings.Contains(err.Error(), "trapbpf fix f --undo") {
			t.Errorf("it says %v", err)
		}
		m.holds(filterKey, map[bool]string{false: "2", true: "1"}[rollback])
		if !strings.Contains(log.String(), "waiting for the finding to resolve") || !strings.HasSuffix(log.String(), wipeLine) {
			t.Errorf("progress %q", log.String())
		}
	}
}

func TestBrokenOffWaitRollsBackToo(t *testing.T) {
	m := newMending(t)
	ctx, cancel := context.WithCancel(context.Background())
	m.env.Stderr, m.env.StderrTerminal = writer(func([]byte) { cancel() }), true // it waits now
	err := m.apply(ctx, m.record, 0, true)
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("it says %v", err)
	}
	m.holds(filterKey, "1")
}

// writer hears what is written.
type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

func TestNamespaceOfTheSameNameIsNotTheFindings(t *testing.T) {
	m := newMending(t)
	m.record.Netns.Inode++
	if err := m.apply(context.Background(), m.record, 0, false); err == nil || !strings.Contains(err.Error(), "leads elsewhere") {
		t.Errorf("it says %v", err)
	}
	m.holds(filterKey, "1")
}
