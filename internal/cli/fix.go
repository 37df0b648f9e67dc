// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/internal/remedy"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// fixFlags are the flags of `fix`.
type fixFlags struct {
	from                  ledgers
	apply, undo, rollback bool
	step                  int
}

func newFix(env Environment) *cobra.Command {
	var f fixFlags
	c := &cobra.Command{
		Use:   "fix ID",
		Short: "Print the steps that mend a finding, or apply one of them",
		Long: `Prints the fix of a finding as lines to paste, with this host's own values: what each
step does and may cost, which of them last over a restart, how to take them back and how
to verify. The beginning of an id is enough where only one finding has it. Changes
nothing unless --apply says so: that does exactly one step, never through a shell, and
refuses where the host is not as the finding tells it. --undo refuses where it is not as
the fix left it. Needs root.`,
		Example: `  sudo trapbpf findings
  sudo trapbpf fix 0190a5
  sudo trapbpf fix 0190a5 --apply --step 2 --rollback-on-failure
  sudo trapbpf fix 0190a5 --undo`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.from.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return f.run(cmd.Context(), env, args[0])
		},
	}
	f.from.addFlags(c)
	c.Flags().BoolVar(&f.apply, "apply", false, fmt.Sprintf("apply one step, and wait %v for the finding to resolve", healWithin))
	c.Flags().IntVar(&f.step, "step", 0, "with --apply: the `NUMBER` of the step (default the first that needs no shell)")
	c.Flags().BoolVar(&f.undo, "undo", false, "take back what --apply did")
	c.Flags().BoolVar(&f.rollback, "rollback-on-failure", false, "with --apply: take it back where the finding does not resolve")
	return c
}

func (f *fixFlags) check(cmd *cobra.Command) error {
	numbered := cmd.Flags().Changed("step")
	switch {
	case f.apply && f.undo:
		return usagef("--apply and --undo are one too many: give one of them")
	case (f.rollback || numbered) && !f.apply:
		return usagef("--step and --rollback-on-failure go with --apply: see `trapbpf fix --help`")
	case numbered && f.step < 1:
		return usagef("--step must be the number of a step, from 1")
	default:
		return nil
	}
}

func (f *fixFlags) run(ctx context.Context, env Environment, word string) error {
	m := mender{env: env, from: f.from, shelf: remedy.Shelf{Folder: filepath.Join(watchFolder, "fixes")}}
	r, err := f.from.find(word)
	if f.undo {
		if err == nil {
			word = r.Finding.ID
		}
		return m.undo(ctx, word) // its agent may have ended
	}
	if err != nil {
		return err
	}
	if err := printFix(env, r); err != nil || !f.apply {
		return err
	}
	if f.step > len(r.Fix) {
		return usagef("there is no step %d: the fix of finding %s has %d", f.step, r.Finding.ID, len(r.Fix))
	}
	return m.apply(ctx, r, f.step, f.rollback)
}

func printFix(env Environment, r *finding.Record) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n%s in %s, %s\n", strings.Map(printable, r.Message), r.Cause, place(r.Netns), r.Status)
	text.WriteString("\nfix, until the next restart:\n")
	for i, s := range r.Fix {
		appendStep(&text, fmt.Sprintf("%2d. ", i+1), s)
	}
	appendSteps(&text, "fix that lasts", r.Persistent)
	appendSteps(&text, "undo", r.Undo)
	appendSteps(&text, "verify", r.Verify)
	fmt.Fprintf(&text, "\napply a step with: trapbpf fix %s --apply --step N\nverify with: trapbpf verify %s\n", r.Finding.ID, r.Finding.ID)
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
		appendStep(text, "    ", s)
	}
}

// appendStep writes a step's lines, the first with a mark of four columns before it.
func appendStep(text *strings.Builder, mark string, s finding.Step) {
	for line := range strings.Lines(s.Shell()) {
		fmt.Fprintf(text, "%s%s\n", mark, strings.Map(printable, strings.TrimSuffix(line, "\n")))
		mark = "    "
	}
	if s.Does != "" {
		fmt.Fprintf(text, "        %s\n", strings.Map(printable, s.Does))
	}
	if s.Risk != "" {
		fmt.Fprintf(text, "        risk: %s\n", strings.Map(printable, s.Risk))
	}
}
