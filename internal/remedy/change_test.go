// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// TestChangedRulesAreTakenBackNatively also tries what a host may do meanwhile.
func TestChangedRulesAreTakenBackNatively(t *testing.T) {
	kerneltest.RequireRoot(t)
	ctx := context.Background()
	for _, op := range []finding.NftOp{
		trap.LetIn(event.Filter{Family: "inet", Table: "f", Chain: "in"}, true),
		trap.LetIn(event.Filter{Family: "ip", Table: "f", Chain: "in"}, false),
		pass("inet", "192.0.2.1", "192.0.2.2", true), pass("ip6", "2001:db8::1", "2001:db8::2", false), trap.Clamp(),
	} {
		ns := guarded(t)
		before := ruleset(t, ns)
		step := finding.Step{Op: op, Enter: finding.Enter{Name: ns.Name}}
		undo, err := Current(ctx, step)
		if err != nil {
			t.Fatal(err)
		}
		f := &finding.Finding{Netns: finding.Netns{Inode: uint32(ns.ID)}, Fix: []finding.Step{step}, Undo: []finding.Step{undo}}
		c, err := Plan(ctx, f, 0)
		if err != nil {
			t.Fatalf("%s: %v", op.Command, err)
		}
		if err := c.Do(ctx); err != nil {
			t.Fatalf("%s: %v", op.Command, err)
		}
		if c.Left.Shell() != step.Shell() {
			t.Errorf("%s left %s", step.Shell(), c.Left.Shell())
		}
		there := ruleset(t, ns)
		ns.Run(t, "nft", "flush", "ruleset")
		if err := c.TakeBack(ctx); !errors.Is(err, ErrChanged) {
			t.Errorf("%s was flushed meanwhile, and taken back: %v", op.Command, err)
		}
		ns.Run(t, "nft", there)
		if err := c.TakeBack(ctx); err != nil {
			t.Errorf("%s: %v", op.Command, err)
		}
		if after := ruleset(t, ns); after != before {
			t.Errorf("%s, taken back:\n%s\ninstead of\n%s", op.Command, after, before)
		}
	}
}

// TestEveryChangeIsTakenBackUnlessTheHostChanged holds what TakeBack compares: the steps
// themselves, to the letter, so that nobody's change is taken for the fix.
func TestEveryChangeIsTakenBackUnlessTheHostChanged(t *testing.T) {
	kerneltest.RequireRoot(t)
	ns := prepare(t)
	ctx := context.Background()
	before := state(t, ns)
	for _, op := range operations() {
		step := finding.Step{Op: op, Enter: finding.Enter{Name: ns.Name}}
		undo, err := Current(ctx, step)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Plan(ctx, &finding.Finding{Netns: finding.Netns{Inode: uint32(ns.ID)}, Fix: []finding.Step{step}, Undo: []finding.Step{undo}}, 1)
		if err != nil {
			t.Errorf("%s: %v", op.Shell(), err)
			continue
		}
		if err := c.Do(ctx); err != nil {
			t.Errorf("%s: %v", op.Shell(), err)
			continue
		}
		if err := Apply(ctx, undo); err != nil { // somebody else did
			t.Errorf("%s: %v", undo.Shell(), err)
		}
		if err := c.TakeBack(ctx); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: taken back twice: %v", op.Shell(), err)
		}
		if err := Apply(ctx, step); err != nil {
			t.Errorf("%s: %v", op.Shell(), err)
		}
		if err := c.TakeBack(ctx); err != nil {
			t.Errorf("%s: %v", op.Shell(), err)
		}
		if after := state(t, ns); after != before {
			t.Fatalf("%s, taken back:\n%s\ninstead of\n%s", op.Shell(), after, before)
		}
	}
}

func TestPlanRefusesAnUndoThatTheFindingDoesNotTell(t *testing.T) {
	kerneltest.RequireRoot(t)
	ns := prepare(t)
	step := finding.Step{Op: finding.LinkOp{Dev: "e0", MTU: 1400}, Enter: finding.Enter{Name: ns.Name}}
	told := finding.Step{Op: finding.LinkOp{Dev: "e0", MTU: 9000}, Enter: step.Enter}
	f := &finding.Finding{Netns: finding.Netns{Inode: uint32(ns.ID)}, Fix: []finding.Step{step}, Undo: []finding.Step{told}}
	if _, err := Plan(context.Background(), f, 0); !errors.Is(err, ErrChanged) {
		t.Errorf("it says %v", err)
	}
	f.Fix = []finding.Step{trap.Note("think")}
	if _, err := Plan(context.Background(), f, 0); !errors.Is(err, ErrNoStep) {
		t.Errorf("it says %v", err)
	}
}

func TestShelfIsRootsAndWholeOrNotThere(t *testing.T) {
	s := Shelf{Folder: filepath.Join(t.TempDir(), "fixes")}
	if _, err := s.Get("f"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing is there, and Get says %v", err)
	}
	link := func(mtu uint32) finding.Step { return finding.Step{Op: finding.LinkOp{Dev: "e0", MTU: mtu}} }
	left := link(1400)
	for _, c := range []*Change{{Step: link(1400), Undo: link(1500)}, {Step: link(1400), Undo: link(1500), Left: &left, Netns: 7}} {
		if err := s.Keep("f", c); err != nil {
			t.Fatal(err)
		}
		got, err := s.Get("f")
		if err != nil || got.Undo.Shell() != c.Undo.Shell() || (got.Left == nil) != (c.Left == nil) || got.Netns != c.Netns {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	entries, err := os.ReadDir(s.Folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	for path, want := range map[string]os.FileMode{s.Folder: 0o700, filepath.Join(s.Folder, "f.json"): 0o600} {
		if stat, err := os.Stat(path); err != nil || stat.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v", path, stat.Mode(), err)
		}
	}
	for _, id := range []string{"", "..", "../f", "a/b"} {
		if err := s.Keep(id, &Change{}); err == nil {
			t.Errorf("%q was taken for an id", id)
		}
	}
	if err := s.Forget("f"); err != nil {
		t.Error(err)
	}
}
