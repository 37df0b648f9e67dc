// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/trapbpf/trapbpf/internal/vm/build"
	"github.com/trapbpf/trapbpf/internal/vm/image"
	"github.com/trapbpf/trapbpf/internal/vm/job"
	"github.com/trapbpf/trapbpf/internal/vm/matrix"
)

// choice is what `run` was asked for.
type choice struct {
	tree     build.Tree
	targets  []image.Target
	plan     matrix.Plan
	machines int
	update   bool
}

// run asks every kernel everything, two machines at a time, and compares.
func run(ctx context.Context, tree build.Tree, args []string) (int, error) {
	c := choice{tree: tree}
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	kernels := flags.String("kernels", "all", "the kernels to run: names, `ci` or `all`")
	scenarios := flags.String("scenarios", "", "only these lab scenarios, comma-separated; `none` for none (default: all)")
	parts := flags.String("parts", "", "only these parts beside doctor and the ladders, comma-separated: lab, replay, test, host, refused")
	flags.BoolVar(&c.plan.Bare, "bare", false, "leave out the hosts that lack something")
	flags.BoolVar(&c.plan.Brief, "brief", false, "one boot, one fault and one twin of each trap, and no tests of packages")
	flags.IntVar(&c.machines, "machines", 2, "how many machines run at a time")
	flags.BoolVar(&c.update, "update", false, "accept the results: write testdata and docs/kernels.md")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return exitUsage, errUsage
	}
	targets, err := image.Find(*kernels)
	if err != nil {
		return exitUsage, err
	}
	c.targets, c.plan.Scenarios, c.plan.Parts = targets, named(*scenarios), named(*parts)
	if err := c.plan.Check(); err != nil {
		return exitUsage, err
	}
	return c.all(ctx)
}

func named(list string) []string {
	switch list {
	case "":
		return nil
	case "none":
		return []string{}
	}
	return strings.Split(list, ",")
}

func (c choice) all(ctx context.Context) (int, error) {
	begun := time.Now()
	slots := make(chan struct{}, max(1, c.machines))
	failures, ran := make([]error, len(c.targets)), make([]bool, len(c.targets))
	var wait sync.WaitGroup
	for i, t := range c.targets {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			ran[i], failures[i] = c.one(ctx, t)
		})
	}
	wait.Wait()
	fmt.Println(summary(ran, time.Since(begun)))
	if err := errors.Join(failures...); err != nil {
		return exitFailed, err
	}
	if c.update {
		return table(c.tree)
	}
	return 0, nil
}

// summary is the last line. A kernel that was not to be had is counted there, so
// that nobody takes a run without it for a whole one.
func summary(ran []bool, took time.Duration) string {
	skipped := 0
	for _, did := range ran {
		if !did {
			skipped++
		}
	}
	line := fmt.Sprintf("%d kernels in %s", len(ran)-skipped, took.Round(time.Second))
	if skipped > 0 {
		line += fmt.Sprintf(", %d NOT RUN", skipped)
	}
	return line
}

// one runs a kernel, tells how it went, and gives what was not as expected. It did
// not run where no mirror has it.
func (c choice) one(ctx context.Context, t image.Target) (ran bool, err error) {
	plan := c.plan
	plan.Each = func(o job.Outcome) {
		fmt.Fprintf(os.Stderr, "%-13s   %s: exit %d after %s\n", t.Name(), o.Name, o.Code, o.Wall.Round(time.Second/10))
	}
	store := storeOf(c.tree)
	kept, known, err := store.Load(t.Name())
	if err != nil {
		return false, err
	}
	plan.Known = known
	result, err := matrix.Run(ctx, c.tree, t, plan)
	if errors.Is(err, image.ErrMissing) && !t.Mandatory {
		fmt.Printf("%-13s SKIPPED: %v\n", t.Name(), err)
		return false, nil
	}
	if err != nil {
		if c.update && len(result.Rungs) > 0 { // an interrupted run's answers are as good
			err = errors.Join(err, store.Save(result))
		}
		return false, err
	}
	problems, notes := matrix.Budget(result, kept)
	problems = append(problems, matrix.Unexpected(result, known)...)
	problems = append(problems, matrix.Ladder(result)...)
	tell(t, result, notes, problems)
	if c.update {
		return true, store.Save(result)
	}
	if len(problems) > 0 {
		return true, fmt.Errorf("%s: %d things not as expected; what was printed is in %s", t.Name(), len(problems), matrix.Kept(c.tree, t))
	}
	return true, nil
}

// tell prints one kernel's lines at once, so that two machines' do not mix.
func tell(t image.Target, r matrix.Result, notes, problems []string) {
	asked, skips := len(r.Asked()), len(r.Skips())
	var b strings.Builder
	fmt.Fprintf(&b, "%-13s %s: %d of %d as on an ordinary host, %s\n", t.Name(), r.Release, asked-skips, asked, r.Wall.Round(time.Second))
	for _, line := range append(notes, problems...) {
		fmt.Fprintf(&b, "%-13s   %s\n", t.Name(), line)
	}
	fmt.Print(b.String())
}

func storeOf(tree build.Tree) matrix.Store {
	return matrix.Store{Dir: filepath.Join(tree.Root, "internal/vm/matrix/testdata")}
}

// table writes docs/kernels.md, and the costs in bpf/README.md.
func table(tree build.Tree) (int, error) {
	store := storeOf(tree)
	text, err := matrix.Document(store)
	if err != nil {
		return exitFailed, err
	}
	if err := os.WriteFile(filepath.Join(tree.Root, "docs/kernels.md"), []byte(text), 0o644); err != nil {
		return exitFailed, fmt.Errorf("write the table: %w", err)
	}
	readme := filepath.Join(tree.Root, "bpf/README.md")
	old, err := os.ReadFile(readme)
	if err != nil {
		return exitFailed, fmt.Errorf("read where the costs stand: %w", err)
	}
	spliced, err := matrix.SpliceCosts(store, string(old))
	if err != nil {
		return exitFailed, err
	}
	if err := os.WriteFile(readme, []byte(spliced), 0o644); err != nil {
		return exitFailed, fmt.Errorf("write the costs: %w", err)
	}
	return 0, nil
}
