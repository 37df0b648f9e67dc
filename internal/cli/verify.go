// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/verify"
)

func newVerify(env Environment) *cobra.Command {
	var from ledgers
	var output string
	c := &cobra.Command{
		Use:   "verify ID",
		Short: "Look now whether a finding's fault is mended",
		Long: `Does what a finding's verification has a person do: probes the path, asks the kernel
whether the packet would pass, counts ports, asks the resolvers, from the finding's
namespace and without a shell. Exits 0 where the fault is mended, 3 where it is still
there, 1 where that could not be seen and says why. It changes nothing; what it sends is
some probes to the finding's own destination. Needs root.`,
		Example: `  sudo trapbpf verify 0190a5
  sudo trapbpf verify 0190a5 --output json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: from.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, err := (&watchFlags{output: output}).format(env)
			if err != nil {
				return err
			}
			if err := parseChoice("output", chosen, []string{"columns", "json"}); err != nil {
				return err
			}
			return verifyFinding(cmd.Context(), env, from, args[0], chosen == "json")
		},
	}
	from.addFlags(c)
	c.Flags().StringVar(&output, "output", "", "`FORMAT` columns or json (default columns on a terminal, else json)")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"columns", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func verifyFinding(ctx context.Context, env Environment, from ledgers, word string, asJSON bool) error {
	r, err := from.find(word)
	if err != nil {
		return err
	}
	report, err := verify.Verify(ctx, verify.Options{
		Host: host.New(host.Real()), Finding: &r.Finding, Progress: progressTo(env),
	})
	if err != nil {
		return fmt.Errorf("verify finding %s: %w", r.Finding.ID, err)
	}
	if err := tellVerified(env, report, asJSON); err != nil {
		return fmt.Errorf("tell what was verified: %w", err)
	}
	switch report.Verdict {
	case verify.Mended:
		return nil
	case verify.There:
		return errFindings
	default:
		return fmt.Errorf("finding %s could not be verified: %s", r.Finding.ID, strings.Join(report.Says, "; "))
	}
}

func tellVerified(env Environment, report *verify.Report, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(env.Stdout).Encode(report)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s\n", report.Verdict, strings.Map(printable, report.Message))
	for _, sentence := range report.Says {
		fmt.Fprintf(&text, "  %s\n", strings.Map(printable, sentence))
	}
	if report.Verdict == verify.There {
		fmt.Fprintf(&text, "fix it with: trapbpf fix %s\n", report.Finding)
	}
	_, err := fmt.Fprint(env.Stdout, text.String())
	return err
}
