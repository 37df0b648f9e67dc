// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/probe/dns"
)

// probeDNSFlags are the flags of `probe dns`.
type probeDNSFlags struct {
	kind, netns, output string
	servers             []string
}

func newProbeDNS(env Environment) *cobra.Command {
	var f probeDNSFlags
	c := &cobra.Command{
		Use:   "dns NAME",
		Short: "Ask every DNS layer for a name and tell who is behind, and for how long yet",
		Long: fmt.Sprintf(`Asks at once: the stub and the servers of resolv.conf, what systemd-resolved asks, the
cluster's DNS where pods name one, and what --server gives; then the servers of the
zone itself, found by following its delegation from the top of what can be reached.
Shows each answer with what is left of its TTL, and says who is behind, who differs,
who denies what exists and who does not answer. Takes %s at most. The search list is
not applied: the name is asked for as it is. Needs no privilege but for --netns.`, dns.Within),
		Example: `  trapbpf probe dns www.example.org
  trapbpf probe dns example.org --type MX --server 192.0.2.53 --server [2001:db8::53]:5353
  sudo trapbpf probe dns web.default.svc.cluster.local --netns cni-1234`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runProbeDNS(cmd.Context(), env, f, args[0]) },
	}
	flags := c.Flags()
	flags.StringVar(&f.kind, "type", "A", "the `TYPE` of record to ask for: "+strings.Join(dns.Types(), ", "))
	flags.StringArrayVar(&f.servers, "server", nil, "ask this server, too: `IP[:PORT]` (repeatable)")
	flags.StringVar(&f.netns, "netns", "", "probe from this network namespace, with the resolv.conf of its programs: `NAME|PATH|INODE`")
	flags.StringVar(&f.output, "output", "columns", "`FORMAT` columns or json")
	_ = c.RegisterFlagCompletionFunc("netns", completeNetns)
	_ = c.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(dns.Types(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"columns", "json"}, cobra.ShellCompDirectiveNoFileComp))
	c.ValidArgsFunction = cobra.NoFileCompletions
	return c
}

func runProbeDNS(ctx context.Context, env Environment, f probeDNSFlags, typed string) error {
	name, given, err := f.parse(typed)
	if err != nil {
		return err
	}
	h := host.New(host.Real())
	at, err := viewpoint(h, f.netns)
	if err != nil {
		return err
	}
	own, servers, err := layersAt(ctx, h, at)
	if err != nil && len(given) == 0 {
		return err
	}
	report, err := dns.Probe(ctx, dns.Options{
		Name: name, Type: strings.ToUpper(f.kind), Servers: append(servers, given...), Dial: host.DialFrom(at), Progress: progressTo(env),
	})
	progressTo(env)("")
	if report == nil {
		return err
	}
	report.Netns, report.Search = f.netns, dns.NewSearch(typed, own.Ndots, own.Search)
	if failed := tellProbeDNS(env, f, report); failed != nil {
		return failed
	}
	if errors.Is(err, dns.ErrUnanswered) {
		return fmt.Errorf("probe %s: %w: look at the way to them, or name one that answers with --server", name, err)
	}
	return err
}

// parse reads what was typed; an error is one of usage.
func (f *probeDNSFlags) parse(typed string) (string, []dns.Server, error) {
	if err := parseChoice("output", f.output, []string{"columns", "json"}); err != nil {
		return "", nil, err
	}
	if err := parseChoice("type", strings.ToUpper(f.kind), dns.Types()); err != nil {
		return "", nil, err
	}
	if addr, err := netip.ParseAddr(typed); err == nil {
		return "", nil, usagef("%s is an address: give a name, or %s with --type PTR", addr, reverse(addr))
	}
	name, err := dns.ParseName(typed)
	if err != nil {
		return "", nil, usageError{err}
	}
	var given []dns.Server
	for _, word := range f.servers {
		at, err := parseServer(word)
		if err != nil {
			return "", nil, err
		}
		given = append(given, dns.Server{Layer: dns.Given, Addr: at})
	}
	return name, given, nil
}

// parseServer reads an address with or without a port.
func parseServer(word string) (netip.AddrPort, error) {
	if addr, err := netip.ParseAddr(strings.Trim(word, "[]")); err == nil {
		return netip.AddrPortFrom(addr, dns.Port), nil
	}
	at, err := netip.ParseAddrPort(word)
	if err != nil || at.Port() == 0 {
		return at, usagef("--server %q is no address: give IP or IP:PORT, e.g. 192.0.2.53 or [2001:db8::53]:5353", word)
	}
	return at, nil
}

// reverse gives the name under which an address's PTR record is (RFC 1035, 3.5; RFC 3596, 2.5).
func reverse(addr netip.Addr) string {
	var labels []string
	if addr = addr.Unmap(); addr.Is4() {
		for _, b := range addr.AsSlice() {
			labels = append([]string{fmt.Sprint(b)}, labels...)
		}
		return strings.Join(labels, ".") + ".in-addr.arpa"
	}
	for _, b := range addr.AsSlice() {
		labels = append([]string{fmt.Sprintf("%x.%x", b&0xf, b>>4)}, labels...)
	}
	return strings.Join(labels, ".") + ".ip6.arpa"
}
