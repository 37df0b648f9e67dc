// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Command trapbpf watches the Linux kernel and says which network trap a
// connection fell into, why, and what to do about it.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/term"

	"github.com/trapbpf/trapbpf/internal/cli"
	"github.com/trapbpf/trapbpf/internal/privilege"
)

// version is set at link time: -X main.version=...
var version = "dev"

func main() {
	os.Exit(run())
}

// garbage is how much of it the heap may hold, in percent of what lives: a thousand open
// findings at nine sinks are 18 MB, and 102 MB were resident at most with Go's own 100, 68 with
// this, for 2% of a core more. GOGC in the environment is stronger.
const garbage = 30

func run() int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A reader that is gone is an error of the write, not the end of the process:
	// the agent then stops in order.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	width, _, _ := term.GetSize(int(os.Stdout.Fd())) // 0 where unknown
	return cli.Run(ctx, cli.Environment{
		Args:           os.Args[1:],
		Stdout:         os.Stdout,
		Stderr:         os.Stderr,
		StdoutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		StderrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		StdoutWidth:    width,
		Getenv:         os.Getenv,
		Environ:        os.Environ,
		Hangup:         hangup,
		Reduce:         privilege.Reduce,
		Version:        version,
	})
}

func hangup() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals
}
