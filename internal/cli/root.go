// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line: the commands of the contract, their flags, exit
// codes, and which of the two output streams says what.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spf13/pflag"
	"github.com/trapbpf/trapbpf/internal/agent"

	"github.com/trapbpf/trapbpf/internal/nearest"
)

// Environment is what a command sees of the outside.
type Environment struct {
	Args           []string
	Stdout, Stderr io.Writer
	// Terminal tells whether a stream is one, and its width in columns.
	StdoutTerminal, StderrTerminal bool
	StdoutWidth                    int
	// Getenv and Environ read the environment.
	Getenv  func(string) string
	Environ func() []string
	// Hangup gives a channel with a value for each SIGHUP, which from then on does not
	// end the process; nil where nobody sends one.
	Hangup func() <-chan os.Signal
	// Reduce gives up capabilities in the whole process, once every hook is attached; nil
	// keeps them, as a test must that runs a command in its own process.
	Reduce  agent.Reduce
	Version string
}

// Run runs one command and gives the process's exit code. An error is one line on
// stderr that says what to do about it.
func Run(ctx context.Context, env Environment) int {
	root := newRoot(env)
	root.SetArgs(env.Args)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errFindings) {
		fmt.Fprintf(env.Stderr, "trapbpf: %s\n", oneLine(err))
	}
	return codeOf(err)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func newRoot(env Environment) *cobra.Command {
	root := &cobra.Command{
		Use:           "trapbpf",
		Short:         "Says which network trap a connection fell into, why, and what to do about it",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(env.Stdout) // before the completion commands, which keep it
	root.SetErr(env.Stderr)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newWatch(env), newRun(env), newRecord(env), newReplay(env), newExplain(env),
		newProbe(env),
		newLab(env), newDoctor(env), newConfig(env), newVersion(env), newMan(),
		newCheck(env), newFindings(env), newFix(env), newVerify(env),
	)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		refuseStrangers(c)
	}
	root.Args = unknownCommand
	return root
}

// unknownCommand says which command was probably meant.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return usagef("unknown command %q%s", args[0], nearest.Hint(args[0], names, "see `"+cmd.CommandPath()+" --help`"))
}

// refuseStrangers makes wrong arguments a usage error, with the command's help.
func refuseStrangers(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{fmt.Errorf("%w: usage: %s", err, cmd.UseLine())}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		refuseStrangers(sub)
	}
}

// flagError says which flag was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usageError{err}
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	word := "--" + unknown.GetSpecifiedName()
	return usagef("unknown flag %q%s", word, nearest.Hint(word, names, "see `"+cmd.CommandPath()+" --help`"))
}
