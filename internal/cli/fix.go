// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func newFix(env Environment) *cobra.Command {
	var from ledgers
	c := &cobra.Command{
		Use:   "fix ID",
		Short: "Print the steps that mend a finding",
		Long: `Prints the fix of a finding as lines to paste, with this host's own values: what each
step does and may cost, which of them last over a restart, how to take them back and how
to verify. The beginning of an id is enough where only one finding has it. Changes
nothing. Needs root.`,
		Example: `  sudo trapbpf findings
  sudo trapbpf fix 0190a5`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: from.complete,
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := from.find(args[0])
			if err != nil {
				return err
			}
			return printFix(env, r)
		},
	}
	from.addFlag(c)
	return c
}

func printFix(env Environment, r *finding.Record) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n%s in %s, %s\n", strings.Map(printable, r.Message), r.Cause, place(r.Netns), r.Status)
	appendSteps(&text, "fix, until the next restart", r.Fix)
	appendSteps(&text, "fix that lasts", r.Persistent)
	appendSteps(&text, "undo", r.Undo)
	appendSteps(&text, "verify", r.Verify)
	if _, err := fmt.Fprint(env.Stdout, text.String()); err != nil {
		return fmt.Errorf("print fix: %w", err)
	}
	return nil
}

func appendSteps(text *strings.Builder, title string, steps []finding.Step) {
	if len(steps) == 0 {
		return
	}
	fmt.Fprintf(text, "\n%s:\n", title)
	for _, s := range steps {
		for line := range strings.Lines(s.Shell()) {
			fmt.Fprintf(text, "  %s\n", strings.Map(printable, strings.TrimSuffix(line, "\n")))
		}
		if s.Does != "" {
			fmt.Fprintf(text, "      %s\n", strings.Map(printable, s.Does))
		}
		if s.Risk != "" {
			fmt.Fprintf(text, "      risk: %s\n", strings.Map(printable, s.Risk))
		}
	}
}
