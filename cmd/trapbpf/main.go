// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Command trapbpf watches the Linux kernel and says which network trap a
// connection fell into, why, and what to do about it.
package main

import (
	"context"
	"os"
	"os/signal"
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

func run() int {
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
