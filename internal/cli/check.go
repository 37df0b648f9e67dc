// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/internal/audit"
	"github.com/trapbpf/trapbpf/internal/host"
)

// checkFlags are the flags of `check`.
type checkFlags struct {
	netns         []string
	allNetns      bool
	output, color string
	name          string
}

func newCheck(env Environment) *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check [TRAP]",
		Short: "Audit this host for the traps, without traffic",
		Long: `Reads settings, routes, devices, firewall rules and sockets, asks the kernel for its
own verdicts, and tells for each check whether it is ok, a risk or a fault, with
evidence, fix and undo. Changes nothing, and makes no traffic of users: it asks each
nameserver one short question. Exits 3 where there are faults; risks are no faults.`,
		Example: `  sudo trapbpf check
  sudo trapbpf check asymmetric-routing --netns web
  sudo trapbpf check --all-netns --output json | jq 'select(.trapbpf.check.level == "fault")'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.FixedCompletions(trapNames(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			return check(cmd.Context(), env, &f, args)
		},
	}
	flags := c.Flags()
	flags.StringArrayVar(&f.netns, "netns", nil, "audit this network namespace: `NAME|PATH|INODE` (repeatable; default the one it runs in)")
	flags.BoolVar(&f.allNetns, "all-netns", false, "audit every network namespace of this host")
	flags.StringVar(&f.name, "name", "", "ask every nameserver for this `NAME`, too, and compare TTLs and answers")
	flags.StringVar(&f.output, "output", "", "`FORMAT` columns or json (default columns on a terminal, else json)")
	flags.StringVar(&f.color, "color", "auto", "colour in columns: `WHEN` auto, always or never")
	_ = c.RegisterFlagCompletionFunc("netns", completeNetns)
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"columns", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("color", cobra.FixedCompletions(colorChoices(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func check(ctx context.Context, env Environment, f *checkFlags, args []string) error {
	traps, err := parseTraps(args)
	if err != nil {
		return err
	}
	if f.allNetns && len(f.netns) > 0 {
		return usagef("--netns and --all-netns are one too many: give one of them")
	}
	shared := watchFlags{output: f.output, color: f.color}
	format, err := shared.format(env)
	if err != nil {
		return err
	}
	if err := parseChoice("output", format, []string{"columns", "json"}); err != nil {
		return err
	}
	color, err := shared.colored(env)
	if err != nil {
		return err
	}
	h := host.New(host.Real())
	targets, err := f.targets(h)
	if err != nil {
		return err
	}
	t := newCheckTeller(env, format, color)
	err = audit.Run(ctx, audit.Options{Host: h, Targets: targets, Traps: traps, Name: f.name}, t.tell)
	return errors.Join(err, t.end())
}

// targets are the namespaces to audit. One that was named and cannot be entered is an
// error; of all, those that cannot are told as blind.
func (f *checkFlags) targets(h *host.Host) ([]host.Target, error) {
	if f.allNetns {
		return h.Namespaces(), nil
	}
	if len(f.netns) == 0 {
		return []host.Target{h.Here()}, nil
	}
	var targets []host.Target
	for _, word := range f.netns {
		at, err := h.Resolve(word)
		if err != nil {
			return nil, err
		}
		if err := h.Visit(at, func() error { return nil }); err != nil {
			return nil, fmt.Errorf("namespace %s: %w", word, err)
		}
		targets = append(targets, at)
	}
	return targets, nil
}

// observer says who looks.
func observer(env Environment) audit.Observer {
	name, err := os.Hostname()
	if err != nil {
		name = "" // left out
	}
	return audit.Observer{Time: time.Now(), Host: name, Version: env.Version}
}
