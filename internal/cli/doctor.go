// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/internal/agent"
	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/internal/trap/all"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// costWindow is how long `doctor --cost` lets the programs run.
const costWindow = 3 * time.Second

func newDoctor(env Environment) *cobra.Command {
	var output string
	var cost bool
	var rung map[string]string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Tell what this kernel lets trapbpf see: each hook and its rung, each trap and its blind spots",
		Long: `Attaches every hook for a moment and tells on which rung each stands and why not on a
higher one, and how well each trap is seen. Changes nothing. Needs root.`,
		Example: `  sudo trapbpf doctor
  sudo trapbpf doctor --cost`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := parseChoice("output", output, []string{"columns", "json"}); err != nil {
				return err
			}
			report, err := examine(cmd, kernel.Options{Rung: rung, Account: cost}, cost)
			if err != nil {
				return err
			}
			if output == "json" {
				return json.NewEncoder(env.Stdout).Encode(report)
			}
			return report.print(env)
		},
	}
	c.Flags().BoolVar(&cost, "cost", false, fmt.Sprintf("let the programs run for %s and tell what each costs", costWindow))
	c.Flags().StringVar(&output, "output", "columns", "`FORMAT` columns or json")
	c.Flags().StringToStringVar(&rung, "rung", nil, "force a hook onto a rung: `HOOK=RUNG`")
	_ = c.Flags().MarkHidden("rung")
	return c
}

// report is what doctor found.
type report struct {
	Kernel string       `json:"kernel"`
	Hooks  []event.Hook `json:"hooks"`
	Traps  []trapView   `json:"traps"`
	Costs  []cost       `json:"costs,omitempty"`
}

type trapView struct {
	Trap    string     `json:"trap"`
	Sight   trap.Sight `json:"sight"`
	Missing []string   `json:"missing,omitempty"`
	Never   []string   `json:"never,omitempty"`
}

type cost struct {
	Program      string  `json:"program"`
	Hook         string  `json:"hook"`
	Instructions uint32  `json:"verified_instructions"`
	Runs         uint64  `json:"runs"`
	NsPerRun     float64 `json:"ns_per_run"`
}

func examine(cmd *cobra.Command, o kernel.Options, withCost bool) (*report, error) {
	k, err := kernel.Open(o)
	if err != nil {
		return nil, err
	}
	defer k.Close() //nolint:errcheck // detaching has nothing left to save
	r := &report{Kernel: agent.Release(), Hooks: k.Hooks()}
	for _, d := range all.Detectors() {
		view := trap.ViewOf(d, r.Hooks)
		r.Traps = append(r.Traps, trapView{Trap: string(d.Trap()), Sight: view.Sight, Missing: view.Missing, Never: view.Never})
	}
	if !withCost {
		return r, nil
	}
	stats, err := kernel.EnableStats()
	if err != nil {
		return nil, fmt.Errorf("measure run time: %w", err)
	}
	defer stats.Close() // the kernel stops measuring either way
	select {
	case <-cmd.Context().Done():
	case <-time.After(costWindow):
	}
	r.Costs, err = costs(k)
	return r, err
}

func costs(k *kernel.Kernel) ([]cost, error) {
	measured, err := k.Costs()
	if err != nil {
		return nil, fmt.Errorf("read run time: %w", err)
	}
	var rows []cost
	for _, m := range measured {
		row := cost{Program: m.Program, Hook: m.Hook, Instructions: m.Instructions, Runs: m.Runs}
		if m.Runs > 0 {
			row.NsPerRun = float64(m.Time.Nanoseconds()) / float64(m.Runs)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (r *report) print(env Environment) error {
	table := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "kernel %s\n\nHOOK\tSIGHT\tSTANDS ON\tWHY NOT HIGHER\n", r.Kernel)
	for _, h := range r.Hooks {
		rung, why := h.Rung, strings.Join(h.Higher, "; ")
		if rung == "" {
			rung, why = "nothing", h.Blind
		} else if len(h.Placed) > 0 {
			why = strings.TrimPrefix(why+"; no reason given, but told by the drop's place: "+strings.Join(h.Placed, ", "), "; ")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", h.Name, h.Sight, rung, why)
	}
	fmt.Fprint(table, "\nTRAP\tIS SEEN\tMISSING\tNEVER SEEN\n")
	for _, t := range r.Traps {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", t.Trap, t.Sight, strings.Join(t.Missing, "; "), strings.Join(t.Never, "; "))
	}
	if len(r.Costs) > 0 {
		fmt.Fprint(table, "\nPROGRAM\tHOOK\tVERIFIED INSTRUCTIONS\tRUNS\tNS PER RUN\n")
	}
	for _, c := range r.Costs {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%.0f\n", c.Program, c.Hook, c.Instructions, c.Runs, c.NsPerRun)
	}
	return table.Flush()
}
