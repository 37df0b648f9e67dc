// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/ledger"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func TestAppliedFixIsTakenBackAndAChangedHostRefused(t *testing.T) {
	kerneltest.RequireRoot(t)
	ns := kerneltest.Namespace(t)
	ns.Sysctl(t, "ipv4/conf/lo/rp_filter", "1")
	at := func(value string) []finding.Step {
		return []finding.Step{{Op: finding.Sysctl{Key: finding.SysctlKey("net", "ipv4", "conf", "lo", "rp_filter"), Value: value}, Enter: finding.Enter{Name: ns.Name}}}
	}
	r := &finding.Record{ID: "r", Action: finding.Opened, Finding: finding.Finding{ID: "f", Fix: at("2"), Undo: at("1")}}
	m := mender{from: ledgers{state: t.TempDir(), watch: t.TempDir()}, folder: t.TempDir()}
	l, _, err := ledger.Open(filepath.Join(m.from.watch, "watch-1.jsonl"), ledger.Head{PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // the folder goes away
	closed := *r
	closed.Action = finding.Closed // what the agent sees of the fix
	if err := l.Write(&closed); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	m.env = Environment{Stdout: &out}
	holds := func(want string) {
		t.Helper()
		ns.Do(t, func() error {
			text, err := os.ReadFile("/proc/sys/net/ipv4/conf/lo/rp_filter")
			if err == nil && strings.TrimSpace(string(text)) != want {
				t.Errorf("rp_filter is %q, want %s", text, want)
			}
			return err
		})
	}
	if err := m.apply(context.Background(), r, false); err != nil {
		t.Fatal(err)
	}
	holds("2")
	if err := m.apply(context.Background(), r, false); err == nil {
		t.Error("applied twice")
	}
	if err := m.undo(context.Background(), "f"); err != nil {
		t.Fatal(err)
	}
	holds("1")
	ns.Sysctl(t, "ipv4/conf/lo/rp_filter", "0")
	if err := m.apply(context.Background(), r, false); err == nil || !strings.Contains(err.Error(), "changed since") {
		t.Errorf("a host that changed: %v", err)
	}
	holds("0")
}
