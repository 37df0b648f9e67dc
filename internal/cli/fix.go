// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func newFix(env Environment) *cobra.Command {
	var from ledgers
	var apply, undo, rollback bool
	c := &cobra.Command{
		Use:   "fix ID",
		Short: "Print the steps that mend a finding",
		Long: `Prints the fix of a finding as lines to paste, with this host's own values: what each
step does and may cost, which of them last over a restart, how to take them back and how
to verify. The beginning of an id is enough where only one finding has it. Changes
nothing unless --apply says so: that does exactly one step, never through a shell, and
refuses where the host is not as the finding tells it. Needs root.`,
		Example: `  sudo trapbpf findings
  sudo trapbpf fix 0190a5`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: from.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if apply && undo || rollback && !apply {
				return usagef("--apply and --undo are one too many, and --rollback-on-failure goes with --apply: see `trapbpf fix --help`")
			}
			m := mender{env: env, from: from, folder: filepath.Join(watchFolder, "fixes")}
			r, err := from.find(args[0])
			if undo && err != nil {
				return m.undo(cmd.Context(), args[0]) // its agent may have ended
			}
			if err != nil {
				return err
			}
			if undo {
				return m.undo(cmd.Context(), r.Finding.ID)
			}
			if err := printFix(env, r); err != nil || !apply {
				return err
			}
			return m.apply(cmd.Context(), r, rollback)
		},
	}
	from.addFlag(c)
	c.Flags().BoolVar(&apply, "apply", false, "apply the first step that needs no shell, and wait 30 s for the finding to resolve")
	c.Flags().BoolVar(&undo, "undo", false, "take back what --apply did")
	c.Flags().BoolVar(&rollback, "rollback-on-failure", false, "with --apply: take it back where the finding does not resolve")
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
