// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"testing"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// mustOpen opens a kernel that closes with the test.
func mustOpen(t testing.TB, o Options) *Kernel {
	t.Helper()
	k, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func TestEveryHookAttachesOrSaysWhyNot(t *testing.T) {
	kerneltest.Exclusive(t)
	k := mustOpen(t, Options{})
	if got, want := len(k.Hooks()), len(hook.Table()); got != want {
		t.Fatalf("%d hooks reported, the table has %d", got, want)
	}
	for _, h := range k.Hooks() {
		t.Logf("%s: rung %q, higher %q, blind %q", h.Name, h.Rung, h.Higher, h.Blind)
		if (h.Rung == "") == (h.Blind == "") {
			t.Errorf("%s: rung %q and blind %q: one of them must tell", h.Name, h.Rung, h.Blind)
		}
	}
}

// rungTest is one rung of one row.
type rungTest struct {
	row  hook.Row
	rung string
}

func everyRung() []rungTest {
	var all []rungTest
	for _, row := range hook.Table() {
		for _, rung := range row.Rungs {
			all = append(all, rungTest{row, rung.Name})
		}
	}
	return all
}

func TestForcedRungIsTheOnlyOneTried(t *testing.T) {
	kerneltest.Exclusive(t)
	for _, test := range everyRung() {
		t.Run(test.row.Name+"/"+test.rung, func(t *testing.T) {
			k := mustOpen(t, Options{
				Sights: []string{test.row.Sight},
				Rung:   map[string]string{test.row.Name: test.rung},
			})
			h := reportOf(t, k, test.row.Name)
			t.Logf("rung %q, blind %q", h.Rung, h.Blind)
			if h.Rung != "" && h.Rung != test.rung {
				t.Errorf("stands on %s, not on the forced %s", h.Rung, test.rung)
			}
			if h.Rung == "" && h.Blind == "" {
				t.Error("neither attached nor explained")
			}
		})
	}
}

func TestUnknownRungIsBlindNotFatal(t *testing.T) {
	kerneltest.Exclusive(t)
	k := mustOpen(t, Options{
		Sights: []string{hook.SightTCP},
		Rung:   map[string]string{"inet_sock_set_state": "uprobe"},
	})
	if h := reportOf(t, k, "inet_sock_set_state"); h.Rung != "" || h.Blind != "it has no rung uprobe" {
		t.Errorf("rung %q, blind %q", h.Rung, h.Blind)
	}
}

func reportOf(t *testing.T, k *Kernel, name string) event.Hook {
	t.Helper()
	for _, h := range k.Hooks() {
		if h.Name == name {
			return h
		}
	}
	t.Fatalf("no report of %s", name)
	return event.Hook{}
}
