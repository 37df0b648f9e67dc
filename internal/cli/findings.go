// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/internal/ledger"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func newFindings(env Environment) *cobra.Command {
	var from ledgers
	var all bool
	var format string
	c := &cobra.Command{
		Use:   "findings",
		Short: "List the findings of the agents that run on this host",
		Long: `Lists what ` + "`trapbpf run` and `trapbpf watch`" + ` have found on this host and still see,
from the files that they keep. Findings of an agent that has ended are as it left them:
they are listed with --all only, as are those that are resolved. Needs root.`,
		Example: `  sudo trapbpf findings
  sudo trapbpf findings --all --output json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			shared := watchFlags{output: format}
			chosen, err := shared.format(env)
			if err != nil {
				return err
			}
			if err := parseChoice("output", chosen, []string{"columns", "json"}); err != nil {
				return err
			}
			return findings(env, from, all, chosen == "json")
		},
	}
	from.addFlags(c)
	c.Flags().BoolVar(&all, "all", false, "list resolved findings, and those of agents that ended, too")
	c.Flags().StringVar(&format, "output", "", "`FORMAT` columns or json (default columns on a terminal, else json)")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"columns", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// findings writes what can be read, and then what could not.
func findings(env Environment, from ledgers, all, json bool) error {
	found, damage := from.read()
	records := choose(env, found, all)
	write := listFindings
	if json {
		write = writeRecords
	}
	if err := write(env, records); err != nil {
		return fmt.Errorf("write findings: %w", err)
	}
	return damage
}

// choose picks the records to list, and says whose it leaves out.
func choose(env Environment, found []ledger.Findings, all bool) []*finding.Record {
	var records []*finding.Record
	for _, one := range found {
		if !one.Kept && !all {
			fmt.Fprintf(env.Stderr, "trapbpf: the agent with pid %d has ended: see what it left in %s with --all\n", one.Head.PID, one.Path)
			continue
		}
		for _, r := range one.Records {
			if all || r.Action != finding.Closed {
				records = append(records, r)
			}
		}
	}
	return records
}

func writeRecords(env Environment, records []*finding.Record) error {
	for _, r := range records {
		line, err := finding.AppendJSON(nil, r)
		if err != nil {
			return err
		}
		if _, err := env.Stdout.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// listFindings writes one line a finding. Nothing found is said where a person looks.
func listFindings(env Environment, records []*finding.Record) error {
	if len(records) == 0 {
		_, err := fmt.Fprintln(env.Stderr, "no open findings")
		return err
	}
	table := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSINCE\tSEVERITY\tSTATUS\tCAUSE\tNAMESPACE\tMESSAGE") // Flush gives the error
	for _, r := range records {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", r.Finding.ID, r.First.Local().Format(time.DateTime),
			r.Severity, r.Status, r.Cause, place(r.Netns), strings.Map(printable, r.Message))
	}
	return table.Flush()
}

// place names a namespace: by its name, else by its inode.
func place(n finding.Netns) string {
	return cmp.Or(strings.Map(printable, n.Name), fmt.Sprintf("net:[%d]", n.Inode))
}
