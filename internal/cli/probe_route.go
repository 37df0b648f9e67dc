// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/probe/mtu"
	"github.com/trapbpf/trapbpf/internal/probe/route"
)

// probeRouteFlags are the flags of `probe route`.
type probeRouteFlags struct {
	from, iif     string
	active        bool
	netns, output string
}

func newProbeRoute(env Environment) *cobra.Command {
	var f probeRouteFlags
	c := &cobra.Command{
		Use:   "route TARGET",
		Short: "Tell both directions' routes to TARGET, and by which interfaces its answers get in",
		Long: `Asks the kernel by which route packets to TARGET leave, by which its answers go on, and
for each interface whether a packet from TARGET that comes in there passes rp_filter.
Sends nothing, unless --active asks for the hops of both directions: then ICMP echo
requests with growing TTL, and one that records its route. Needs root.`,
		Example: `  sudo trapbpf probe route 192.0.2.7
  sudo trapbpf probe route 192.0.2.7 --from 10.0.0.5 --iif lan0
  sudo trapbpf probe route 192.0.2.7 --active --netns web`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return probeRoute(cmd.Context(), env, f, args[0])
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.from, "from", "", "the `ADDRESS` that talks to TARGET (default the one that the kernel would take)")
	flags.StringVar(&f.iif, "iif", "", "the `INTERFACE` by which packets from --from come in, on a host that forwards them")
	flags.BoolVar(&f.active, "active", false, "send packets to find the hops of both directions")
	flags.StringVar(&f.netns, "netns", "", "ask in this network namespace: `NAME|PATH|INODE`")
	flags.StringVar(&f.output, "output", "columns", "`FORMAT` columns or json")
	_ = c.RegisterFlagCompletionFunc("netns", completeNetns)
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"columns", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func probeRoute(ctx context.Context, env Environment, f probeRouteFlags, word string) error {
	if err := parseChoice("output", f.output, []string{"columns", "json"}); err != nil {
		return err
	}
	o := route.Options{Host: host.New(host.Real()), Iif: f.iif, Active: f.active}
	if err := f.understand(ctx, &o, word); err != nil {
		return err
	}
	report, err := route.Ask(ctx, o)
	if errors.Is(err, route.ErrQuestion) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	if f.output == "json" {
		return json.NewEncoder(env.Stdout).Encode(report)
	}
	return report.Print(env.Stdout)
}

// understand reads the words of the command line.
func (f *probeRouteFlags) understand(ctx context.Context, o *route.Options, word string) error {
	var err error
	if f.from != "" {
		if o.From, err = netip.ParseAddr(f.from); err != nil {
			return usagef("--from must be an address, e.g. 10.0.0.5, not %q", f.from)
		}
	}
	if f.iif != "" && f.from == "" {
		return usagef("--iif needs --from: whose packets come in by %q?", f.iif)
	}
	o.At = o.Host.Here()
	if f.netns != "" {
		if o.At, err = o.Host.Resolve(f.netns); err != nil {
			return err
		}
	}
	six := o.From.Is6()
	if _, err := netip.ParseAddr(word); err == nil {
		six = false // an address is what it is, and the pair is looked at later
	}
	o.Target, err = mtu.Resolve(ctx, o.At, word, six)
	if errors.Is(err, mtu.ErrTarget) {
		return usageError{err}
	}
	return err
}
