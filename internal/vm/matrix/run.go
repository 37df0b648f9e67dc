// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/internal/vm/build"
	"github.com/trapbpf/trapbpf/internal/vm/image"
	"github.com/trapbpf/trapbpf/internal/vm/job"
	"github.com/trapbpf/trapbpf/internal/vm/machine"
)

// Run asks one kernel all that the plan says. What the jobs printed is left below
// the tree's cache, for whoever has to find out why.
// ErrMissing (package image) where no mirror has the kernel. With any other error comes
// what was answered until then.
func Run(ctx context.Context, tree build.Tree, t image.Target, p Plan) (Result, error) {
	begun := time.Now()
	kernel, err := image.Ensure(ctx, tree.Kernels(), t)
	if err != nil {
		return Result{}, err
	}
	files, err := programs(ctx, tree, t.Arch, !p.Brief)
	if err != nil {
		return Result{}, err
	}
	if p.Recordings, err = Recordings(tree.Root); err != nil {
		return Result{}, err
	}
	for _, r := range p.Recordings {
		files = append(files, r.file())
	}
	each := func(o job.Outcome) {
		keepOutcome(tree, t, o)
		if p.Each != nil {
			p.Each(o)
		}
	}
	var outcomes []job.Outcome
	for i, boot := range p.Boots(t) {
		m := machine.Machine{Kernel: kernel, Script: boot.Script, Append: boot.Append, Files: files, Each: each}
		report, err := m.All(ctx)
		keep(tree, t, i, report)
		outcomes = append(outcomes, report.Outcomes...)
		if err != nil {
			ended := slices.DeleteFunc(outcomes, func(o job.Outcome) bool { return !o.Ended })
			return Read(t.Name(), kernel.Release, ended, p.Recordings), fmt.Errorf("kernel %s: %w", t.Name(), err)
		}
	}
	r := Read(t.Name(), kernel.Release, outcomes, p.Recordings)
	r.Wall = time.Since(begun)
	return r, nil
}

// programs are the init, the agent and, where asked for, the test binaries, built
// for the architecture.
func programs(ctx context.Context, tree build.Tree, arch string, withTests bool) ([]image.File, error) {
	guest, err := tree.Guest(ctx, arch)
	if err != nil {
		return nil, err
	}
	static, err := tree.Agent(ctx, arch)
	if err != nil {
		return nil, err
	}
	files := []image.File{{Name: "/init", Path: guest}, {Name: agent, Path: static}}
	if !withTests {
		return files, nil
	}
	for _, pkg := range packages() {
		path, err := tree.Tests(ctx, arch, pkg)
		if err != nil {
			return nil, err
		}
		files = append(files, image.File{Name: binary(pkg), Path: path})
	}
	return files, nil
}

// Kept is the folder that keeps what a kernel's last run printed.
func Kept(tree build.Tree, t image.Target) string {
	return filepath.Join(tree.Kernels(), t.Name(), "run")
}

// keepOutcome writes down what a job printed, as soon as it is over: a run takes long.
// It is for people to look at: a file that cannot be written is no failure of
// the kernel's.
func keepOutcome(tree build.Tree, t image.Target, o job.Outcome) {
	name := strings.NewReplacer("/", "-", " ", "-").Replace(o.Name)
	note(tree, t, name+".out", o.Stdout)
	note(tree, t, name+".err", o.Stderr+fmt.Sprintf("exit %d after %s, %d KiB resident, ended %v\n", o.Code, o.Wall, o.ResidentKiB, o.Ended))
}

// keep writes down what else a boot said, and the jobs that it did not survive.
func keep(tree build.Tree, t image.Target, boot int, report machine.Report) {
	for _, o := range report.Outcomes {
		if !o.Ended {
			keepOutcome(tree, t, o)
		}
	}
	lines := append(append([]string{"guest:"}, report.Log...), append([]string{"console:"}, report.Console...)...)
	note(tree, t, fmt.Sprintf("boot-%d.log", boot), strings.Join(lines, "\n")+"\n")
}

func note(tree build.Tree, t image.Target, name, text string) {
	dir := Kept(tree, t)
	_ = os.MkdirAll(dir, 0o755)
	_ = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
}
