// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/lab"
)

func newLab(env Environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "lab",
		Short: "Make real faults in throw-away network namespaces and see them found, fixed and resolved",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newLabList(env), newLabRun(env), newLabLookups())
	return c
}

func newLabList(env Environment) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the scenarios: faults, and the innocent twins that must stay silent",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := parseChoice("output", output, []string{"columns", "json"}); err != nil {
				return err
			}
			return listScenarios(env, output == "json")
		},
	}
	c.Flags().StringVar(&output, "output", "columns", "`FORMAT` columns or json")
	return c
}

func listScenarios(env Environment, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(env.Stdout)
		for _, s := range lab.All() {
			if err := encoder.Encode(map[string]any{
				"name": s.Name, "summary": s.Summary, "trap": s.Trap, "cause": s.Cause,
				"twin_of": s.TwinOf, "views": s.Views,
			}); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SCENARIO\tMUST FIND\tWHAT HAPPENS")
	for _, s := range lab.All() {
		expected := string(s.Cause)
		if s.Twin() {
			expected = "silence"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Name, expected, s.Summary)
	}
	return table.Flush()
}

// labFlags are the flags of `lab run`.
type labFlags struct {
	view               string
	output             string
	all, keep, relaxed bool
	confirm            bool
}

func newLabRun(env Environment) *cobra.Command {
	var f labFlags
	c := &cobra.Command{
		Use:   "run SCENARIO...",
		Short: "Run scenarios: build the fault, watch it found, run its fix, see it resolved, clean up",
		Long: `Builds the scenario's network namespaces, starts the real agent on one of them, makes
real traffic, prints the finding as it appears, applies the finding's own first fix
by ` + "`trapbpf fix ID --apply`" + `, waits until the finding is resolved, and removes
everything. In the first scenario of each cause the fix is undone at the end, and the
fault must be found again; ` + "`trapbpf verify ID`" + ` is asked before and after. A twin must stay
silent. Needs root. Exits 1 where anything was not as promised.`,
		Example: `  sudo trapbpf lab run rp-filter
  sudo trapbpf lab run --all`,
		ValidArgsFunction: cobra.FixedCompletions(scenarioNames(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runLab(cmd, env, f, args)
		},
	}
	flags := c.Flags()
	flags.BoolVar(&f.all, "all", false, "run every scenario")
	flags.StringVar(&f.view, "netns-view", "", "the `ROLE` whose namespace the agent sees (default the scenario's usual one)")
	flags.BoolVar(&f.confirm, "confirm", false, "allow the agent active probes")
	flags.BoolVar(&f.keep, "keep", false, "leave the namespaces in place, to look around")
	flags.BoolVar(&f.relaxed, "relaxed", false, "judge no promise of time: for emulated machines")
	flags.StringVar(&f.output, "output", "columns", "`FORMAT` columns or json (one result a line)")
	return c
}

func scenarioNames() []string {
	var names []string
	for _, s := range lab.All() {
		names = append(names, s.Name)
	}
	return names
}

func runLab(cmd *cobra.Command, env Environment, f labFlags, args []string) error {
	scenarios, err := chosen(f, args)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: a lab makes network namespaces, which needs CAP_SYS_ADMIN: run it with sudo", kernel.ErrPrivilege)
	}
	var results []lab.Result
	for _, s := range scenarios {
		result, err := lab.Run(cmd.Context(), lab.Options{
			Scenario: s, View: f.view, Keep: f.keep, Confirm: f.confirm, Relaxed: f.relaxed,
			Progress: labProgress(env, f.output),
		})
		if err != nil {
			return err
		}
		results = append(results, result)
		if err := tellResult(env, f.output, &result); err != nil {
			return err
		}
	}
	return labEnd(env, f, results)
}

func chosen(f labFlags, names []string) ([]lab.Scenario, error) {
	if err := parseChoice("output", f.output, []string{"columns", "json"}); err != nil {
		return nil, err
	}
	if f.all && len(names) == 0 {
		return lab.All(), nil
	}
	if f.all || len(names) == 0 {
		return nil, usagef("name the scenarios to run, or --all for every one: see `trapbpf lab list`")
	}
	var scenarios []lab.Scenario
	for _, name := range names {
		s, err := lab.Find(name)
		if err != nil {
			return nil, usageError{err}
		}
		scenarios = append(scenarios, s)
	}
	return scenarios, nil
}

// errLab ends a run in which something was not as promised.
var errLab = errors.New("lab")

func labEnd(env Environment, f labFlags, results []lab.Result) error {
	bad := 0
	for i := range results {
		if !results[i].Good() {
			bad++
		}
	}
	if len(results) > 1 && f.output == "columns" {
		fmt.Fprint(env.Stdout, "\n"+lab.Table(results))
	}
	if bad > 0 {
		return fmt.Errorf("%w: %d of %d scenarios were not as promised; see their problems above", errLab, bad, len(results))
	}
	return nil
}

// newLabLookups is the program of a scenario, in a process of its own.
func newLabLookups() *cobra.Command {
	return &cobra.Command{
		Use:    "lookups PROGRAM",
		Short:  "Look names up, as a scenario's program: a scenario starts it",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(cmd *cobra.Command, args []string) error { return lab.RunLookups(cmd.Context(), args[0]) },
	}
}
