// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Kernels runs the project's programs on other kernels than this machine's.
//
//	kernels list                       the kernels there are
//	kernels fetch [KERNELS]            put them into the cache
//	kernels exec [-kernel NAME] BIN …  run one static program there; as `go test -exec`
//	kernels run [-kernels LIST] …      the whole matrix, or a part
//	kernels cost                       measure here what each rung costs
//	kernels table                      write docs/kernels.md and the costs in bpf/README.md
//
// KERNELS is a comma-separated list of names from `list`, "ci" or "all".
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/vm/build"
	"github.com/trapbpf/trapbpf/internal/vm/image"
)

// Exit codes, as the agent's own: 1 something failed, 2 usage.
const (
	exitFailed = 1
	exitUsage  = 2
)

// errUsage tells that the command line makes no sense.
var errUsage = errors.New("usage: kernels list | fetch [KERNELS] | exec [-kernel NAME] BIN [ARG…] | run [FLAG…] | cost | table")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	code, err := command(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kernels: "+err.Error())
	}
	os.Exit(code)
}

func command(ctx context.Context, args []string) (code int, err error) {
	if len(args) == 0 {
		return exitUsage, errUsage
	}
	tree, err := build.Find()
	if err != nil {
		return exitFailed, err
	}
	switch args[0] {
	case "list":
		return list(), nil
	case "fetch":
		return fetch(ctx, tree, args[1:])
	case "exec":
		return execute(ctx, tree, args[1:])
	case "run":
		return run(ctx, tree, args[1:])
	case "cost":
		return measure(ctx, tree)
	case "table":
		return table(tree)
	default:
		return exitUsage, errUsage
	}
}

func list() int {
	for _, t := range image.Targets() {
		fmt.Printf("%-14s %s\n", t.Name(), strings.Join(t.Suites, ", "))
	}
	return 0
}

// fetch fills the cache. What no mirror has is told and left, unless mandatory.
func fetch(ctx context.Context, tree build.Tree, args []string) (int, error) {
	targets, err := image.Find(strings.Join(append(args, "all")[:1], ""))
	if err != nil {
		return exitUsage, err
	}
	for _, t := range targets {
		k, err := image.Ensure(ctx, tree.Kernels(), t)
		switch {
		case errors.Is(err, image.ErrMissing) && !t.Mandatory:
			fmt.Printf("%-14s SKIPPED: %v\n", t.Name(), err)
		case err != nil:
			return exitFailed, err
		default:
			fmt.Printf("%-14s %s from %s, %d modules\n", t.Name(), k.Release, k.Suite, k.Modules)
		}
	}
	return 0, nil
}
