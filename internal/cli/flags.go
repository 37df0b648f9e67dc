// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/internal/engine"
	"github.com/trapbpf/trapbpf/internal/nearest"
	"github.com/trapbpf/trapbpf/internal/trap/all"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// watchFlags are the flags that watch, record and replay share.
type watchFlags struct {
	traps, netns    []string
	output, color   string
	config          string
	duration, quiet time.Duration
	minSeverity     string
	rung            map[string]string
	debug, confirm  bool
}

func (f *watchFlags) addLive(c *cobra.Command) {
	flags := c.Flags()
	flags.StringArrayVar(&f.netns, "netns", nil, "look only at this network namespace: `NAME|PATH|INODE` (repeatable; default all)")
	flags.DurationVar(&f.duration, "for", 0, "stop after this `DURATION`, e.g. 30s (default: until interrupted)")
	flags.StringToStringVar(&f.rung, "rung", nil, "force a hook onto a rung: `HOOK=RUNG`")
	flags.BoolVar(&f.confirm, "confirm", false, "allow active probes: on suspicion of an MTU black hole, measure the path, at most once a minute a destination")
	flags.BoolVar(&f.debug, "debug", false, "log what the agent asks the host")
	flags.StringVar(&f.config, "config", "", "take flags that are not given from this YAML `FILE`; its keys are their names")
	_ = flags.MarkHidden("rung")
	_ = c.RegisterFlagCompletionFunc("netns", completeNetns)
}

func (f *watchFlags) addOutput(c *cobra.Command) {
	flags := c.Flags()
	flags.StringSliceVar(&f.traps, "trap", nil, "watch only for these traps: a comma-separated `LIST` (default all)")
	flags.StringVar(&f.output, "output", "", "how findings are written: `FORMAT` columns, json, ocsf or cef (default columns on a terminal, else json)")
	flags.StringVar(&f.color, "color", "auto", "colour in columns: `WHEN` auto, always or never")
	flags.StringVar(&f.minSeverity, "min-severity", "low", "leave out findings below this `SEVERITY`: low, medium, high, critical")
	flags.DurationVar(&f.quiet, "quiet-period", engine.DefaultQuiet, "how long a condition must not show before its finding is resolved")
	_ = c.RegisterFlagCompletionFunc("trap", cobra.FixedCompletions(trapNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("color", cobra.FixedCompletions(colorChoices(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("min-severity", cobra.FixedCompletions(config.Severities(), cobra.ShellCompDirectiveNoFileComp))
}

func formats() []string { return []string{"columns", "json", "ocsf", "cef"} }

func colorChoices() []string { return []string{"auto", "always", "never"} }

// trapNames lists the traps that this build knows.
func trapNames() []string {
	var names []string
	for _, d := range all.Detectors() {
		names = append(names, string(d.Trap()))
	}
	return names
}

// parseTraps gives the traps named; none means all.
func parseTraps(words []string) ([]finding.Trap, error) {
	var traps []finding.Trap
	for _, word := range words {
		if !slices.Contains(trapNames(), word) {
			return nil, usagef("unknown trap %q%s", word, nearest.Hint(word, trapNames(), "there are "+strings.Join(trapNames(), ", ")))
		}
		traps = append(traps, finding.Trap(word))
	}
	return traps, nil
}

// parseChoice checks a flag that takes one of a few words.
func parseChoice(flag, word string, known []string) error {
	if slices.Contains(known, word) {
		return nil
	}
	return usagef("unknown --%s %q%s", flag, word, nearest.Hint(word, known, "give "+strings.Join(known, ", ")))
}
