// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/probe/mtu"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// probeMTUFlags are the flags of `probe mtu`.
type probeMTUFlags struct {
	port          uint16
	most          int
	six           bool
	netns, output string
}

func newProbeMTU(env Environment) *cobra.Command {
	var f probeMTUFlags
	c := &cobra.Command{
		Use:   "mtu TARGET",
		Short: "Find the exact MTU of the path to TARGET, and where larger packets get lost",
		Long: fmt.Sprintf(`Sends packets that must not be fragmented and searches for the largest that arrives:
ICMP echo requests, or UDP datagrams to a closed port where those are filtered. Says
whether larger packets are answered, by whom and with which MTU, or vanish in silence,
and which router is the last that gets them. Takes %d packets and %s at most, and
tells bounds where that was too little. Needs CAP_NET_RAW (sudo).`, mtu.MaxPackets, mtu.MaxTime),
		Example: `  sudo trapbpf probe mtu 192.0.2.7
  sudo trapbpf probe mtu www.example.org --tcp 443
  sudo trapbpf probe mtu 2001:db8::7 --netns web --output json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return probeMTU(cmd.Context(), env, f, args[0])
		},
	}
	flags := c.Flags()
	flags.Uint16Var(&f.port, "tcp", 0, "probe with segments of a connection to this `PORT`, on which something must listen; no data reaches it")
	flags.BoolVar(&f.six, "ipv6", false, "take the name's IPv6 address")
	flags.IntVar(&f.most, "max", 0, "try packets of at most `N` bytes (default what the interface takes)")
	flags.StringVar(&f.netns, "netns", "", "probe from this network namespace: `NAME|PATH|INODE`")
	flags.StringVar(&f.output, "output", "columns", "`FORMAT` columns or json")
	_ = c.RegisterFlagCompletionFunc("netns", completeNetns)
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"columns", "json"}, cobra.ShellCompDirectiveNoFileComp))
	c.ValidArgsFunction = cobra.NoFileCompletions
	return c
}

func (f *probeMTUFlags) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("tcp") && f.port == 0 {
		return usagef("--tcp must be a port from 1 to 65535, e.g. 443")
	}
	if cmd.Flags().Changed("max") && (f.most < mtu.MinSize || f.most > mtu.MaxSize) {
		return usagef("--max must be from %d to %d bytes, e.g. 1500", mtu.MinSize, mtu.MaxSize)
	}
	return parseChoice("output", f.output, []string{"columns", "json"})
}

func probeMTU(ctx context.Context, env Environment, f probeMTUFlags, word string) error {
	h := host.New(host.Real())
	at := host.Target{Inode: h.Own()}
	if f.netns != "" {
		var err error
		if at, err = h.Resolve(f.netns); err != nil {
			return err
		}
	}
	peer, err := mtu.Resolve(ctx, at, word, f.six)
	if errors.Is(err, mtu.ErrTarget) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	o := mtu.Options{At: at, Peer: peer, Port: f.port, TCPFirst: f.port != 0, Max: f.most, Progress: probeProgress(env)}
	answer, _ := h.Answer(ctx, event.Want{Of: event.KindPath, Netns: at.Inode, To: peer}) // what is not known is left out
	believed, _ := answer.(*event.Path)
	result, err := mtu.Measure(ctx, o)
	if env.StderrTerminal {
		fmt.Fprint(env.Stderr, wipeLine)
	}
	if err != nil {
		return fmt.Errorf("probe %s: %w", peer, err)
	}
	report := mtu.NewReport(word, o, result, believed)
	report.Netns = f.netns
	if f.output == "json" {
		return json.NewEncoder(env.Stdout).Encode(&report)
	}
	return report.Print(env.Stdout)
}

// wipeLine takes back what a progress line shows.
const wipeLine = "\r\x1b[K"

// probeProgress shows on a terminal what is going on, in one line.
func probeProgress(env Environment) func(mtu.Step) {
	if !env.StderrTerminal {
		return nil
	}
	return func(s mtu.Step) {
		how := ""
		if s.TTL != 0 {
			how = fmt.Sprintf(" over %d hops", s.TTL)
		}
		fmt.Fprintf(env.Stderr, "%s%d packets: %s of %d bytes%s: %s", wipeLine, s.Packets, s.Method, s.Size, how, s.Outcome)
	}
}
