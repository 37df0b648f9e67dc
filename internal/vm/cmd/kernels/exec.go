// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/internal/vm/build"
	"github.com/trapbpf/trapbpf/internal/vm/image"
	"github.com/trapbpf/trapbpf/internal/vm/job"
	"github.com/trapbpf/trapbpf/internal/vm/machine"
)

// home is the working directory of a program run by exec: a test finds its
// testdata there.
const home = "/test"

// execute runs one static program in a machine, passes its output on as it comes
// and gives its exit code. Its arguments are those that `go test -exec` adds.
func execute(ctx context.Context, tree build.Tree, args []string) (int, error) {
	flags := flag.NewFlagSet("exec", flag.ContinueOnError)
	name := flags.String("kernel", "6.1", "the kernel to run on")
	limit := flags.Duration("limit", 10*time.Minute, "end a program that takes longer")
	words := flags.String("append", "", "further words for the kernel's command line")
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
		return exitUsage, errUsage
	}
	m, err := prepare(ctx, tree, *name)
	if err != nil {
		return exitFailed, err
	}
	program := "/bin/" + filepath.Base(flags.Arg(0))
	m.Append = strings.Fields(*words)
	m.Files = append(m.Files, image.File{Name: program, Path: flags.Arg(0)})
	m.Files = append(m.Files, testdata()...)
	m.Script.Jobs = []job.Job{{
		Name: "exec", Argv: append([]string{program}, guestArgs(flags.Args()[1:])...),
		Dir: home, Limit: *limit, Env: passed(),
	}}
	m.Tee = tee
	report, err := m.All(ctx)
	for _, line := range report.Log {
		fmt.Fprintln(os.Stderr, "guest: "+line)
	}
	if err != nil || len(report.Outcomes) == 0 {
		return exitFailed, err
	}
	if !report.Outcomes[0].Ended {
		return exitFailed, fmt.Errorf("the machine went down: %q", report.Console)
	}
	return report.Outcomes[0].Code, nil
}

// prepare gives a machine with the kernel and its init, and nothing to do yet.
func prepare(ctx context.Context, tree build.Tree, name string) (machine.Machine, error) {
	targets, err := image.Find(name)
	if err != nil {
		return machine.Machine{}, err
	}
	kernel, err := image.Ensure(ctx, tree.Kernels(), targets[0])
	if err != nil {
		return machine.Machine{}, err
	}
	guest, err := tree.Guest(ctx, targets[0].Arch)
	if err != nil {
		return machine.Machine{}, err
	}
	return machine.Machine{Kernel: kernel, Files: []image.File{{Name: "/init", Path: guest}}}, nil
}

func tee(stderr bool, line string) {
	if stderr {
		fmt.Fprintln(os.Stderr, line)
		return
	}
	fmt.Println(line)
}

// guestArgs leaves out the flags that name files of the host.
func guestArgs(args []string) (kept []string) {
	for _, arg := range args {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch name {
		case "test.testlogfile", "test.coverprofile", "test.outputdir", "test.gocoverdir":
		default:
			kept = append(kept, arg)
		}
	}
	return kept
}

// passed are the variables that a test run in a machine is meant to see.
func passed() (env []string) {
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "TRAPBPF_") {
			env = append(env, kv)
		}
	}
	return env
}

// testdata are the files of the working directory's testdata folder, if any.
func testdata() (files []image.File) {
	// A package without testdata has nothing to pack: that error says no more.
	_ = filepath.WalkDir("testdata", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, image.File{Name: home + "/" + path, Path: path})
		}
		return err
	})
	return append(files, image.File{Name: home + "/.keep", Path: os.DevNull})
}
