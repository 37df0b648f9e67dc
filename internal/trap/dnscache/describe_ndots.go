// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func (g *expansion) describe(w *writer) {
	queries, lost := g.perLookup()
	w.Message = fmt.Sprintf("Every lookup of %s goes through the search list first", g.program())
	w.DNS.Question = g.names[0]
	w.DNS.ResponseCode = "NXDOMAIN"
	w.DNS.QueriesPerLookup, w.DNS.LostMilliseconds = queries, lost
	w.DNS.WastedPerSecond = g.perSecond()
	w.DNS.Search = g.suffixes
	if r := g.resolver; r != nil {
		w.DNS.Ndots = r.Ndots
		if len(r.Search) > 0 {
			w.DNS.Search = r.Search
		}
		if len(r.Nameservers) > 0 {
			w.DNS.Resolver = r.Nameservers[0].String()
			w.towards(netip.AddrPortFrom(r.Nameservers[0], 53), event.ProtocolUDP)
		}
	}
	w.symptom("a lookup takes %.1f questions, %.1f of them for names that do not exist, and %.0f ms longer than it must",
		queries, float64(g.wasted)/float64(max(g.lookups, 1)), lost)
	w.symptom("resolvers show many NXDOMAINs, %.1f a second from this program", g.perSecond())
	w.evidence("%d lookups of %s asked %d questions in vain: first %s.%s, and %s in the end",
		g.lookups, g.program(), g.wasted, g.names[0], g.suffixes[0], g.names[0])
	w.evidence("names: %s", quoteNames(g.names))
	w.evidence("suffixes tried in vain: %s", quoteNames(g.suffixes))
	w.sure.Add(60, "each name was asked with every suffix, all of which do not exist, before it was asked itself")
	w.sure.Add(15, "seen in %d lookups, of %d names", g.lookups, len(g.names))
	g.weigh(w)
	w.against(
		"a name that the first suffix completes is no waste: only what came to nothing counts",
		"names without a dot go through the search list whatever ndots says, and do not count")
	g.fix(w)
}

func (g *expansion) program() string {
	if g.key.Subject == "" {
		return "an unknown program"
	}
	return g.key.Subject
}

// weigh compares what was seen with what the process's resolv.conf asks for.
func (g *expansion) weigh(w *writer) {
	r := g.resolver
	switch {
	case r == nil:
		w.evidence("the resolv.conf of the process could not be read: it had ended")
		return
	case r.Elsewhere:
		w.evidence("%s, read in place of the process's own, which had ended: ndots:%d, search %s", r.Path, r.Ndots, strings.Join(r.Search, " "))
	default:
		w.evidence("%s of the process: ndots:%d, search %s", r.Path, r.Ndots, strings.Join(r.Search, " "))
	}
	if r.Ndots > g.fewest {
		w.sure.Add(20, "its ndots is %d: every name with fewer dots goes through the search list first", r.Ndots)
		return
	}
	w.sure.Add(-10, "its ndots is %d, which does not ask for this: the program has a setting of its own (RES_OPTIONS), or the file has changed", r.Ndots)
}

// inKubernetes tells by the search list that the kubelet wrote the file: namespace
// first, then the cluster's services (dnsPolicy ClusterFirst).
func (g *expansion) inKubernetes() bool {
	list := g.suffixes
	if g.resolver != nil && len(g.resolver.Search) > 0 {
		list = g.resolver.Search
	}
	for i := range len(list) - 1 {
		if strings.HasPrefix(list[i+1], "svc.") && strings.HasSuffix(list[i], "."+list[i+1]) {
			return true
		}
	}
	return false
}

func (g *expansion) fix(w *writer) {
	n := g.enough()
	r := g.resolver
	option := fmt.Sprintf("ndots:%d", n)
	if r != nil && r.Ndots > n && settable(r) {
		w.fix(finding.Step{
			Op:   finding.ResolvOp{Path: r.Path, Option: option},
			Does: fmt.Sprintf("names with %d dots or more are asked as they are first; glibc, musl and Go read the file again by themselves", n),
			Risk: "short names of other domains are tried as they are before the search list; musl does not try the list for them at all",
		})
		w.Undo = append(w.Undo, finding.Step{
			Op: finding.ResolvOp{Path: r.Path, Option: fmt.Sprintf("ndots:%d", r.Ndots)}, Does: "as it was: the last option counts",
		})
	} else {
		w.fix(trap.Note("set 'options %s' in the resolv.conf that %s reads, or RES_OPTIONS=%s in its environment (glibc)", option, g.program(), option))
	}
	g.keep(w, option)
	w.fix(trap.Note("or write external names with a dot at the end (%s.): they are never searched for", g.names[0]))
	w.Verify = append(w.Verify, w.place.Look("must ask for the name alone", "getent ahosts -- %s", g.names[0]))
	if r != nil {
		w.Verify = append(w.Verify, hostLook("the last ndots counts", "grep -E '^(search|options)' %s", r.Path))
	}
}

// keep gives the setting that outlasts the file, which somebody else writes.
func (g *expansion) keep(w *writer, option string) {
	key, value, _ := strings.Cut(option, ":")
	switch {
	case g.inKubernetes():
		patch := fmt.Sprintf(`{"spec":{"template":{"spec":{"dnsConfig":{"options":[{"name":"%s","value":"%s"}]}}}}}`, key, value)
		w.Persistent = append(w.Persistent,
			trap.Note("in a pod the kubelet writes the file: kubectl patch deployment NAME -p %s", finding.Quote(patch)),
			trap.Note("dnsPolicy ClusterFirstWithHostNet does not cure it: its ndots is 5 as well"),
			trap.Note("NodeLocal DNSCache answers the NXDOMAINs on the node, where %s must stay", g.resolverOption()))
	case g.resolver != nil && g.resolver.Link != "":
		w.Persistent = append(w.Persistent,
			trap.Note("%s leads to %s, which another program writes: set it for the service instead (systemd: Environment=RES_OPTIONS=%s)",
				g.resolver.Path, g.resolver.Link, option))
	default:
		w.Persistent = append(w.Persistent,
			trap.Note("keep 'options %s' where the file comes from: resolvconf, NetworkManager (ipv4.dns-options), cloud-init, docker run --dns-option %s", option, option))
	}
}

func (g *expansion) resolverOption() string {
	if g.resolver == nil {
		return "the option"
	}
	return fmt.Sprintf("ndots:%d", g.resolver.Ndots)
}

// quoteNames lists names; they come from the network but are escaped where they were
// decoded.
func quoteNames(names []string) string {
	const shown = 6
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return strings.Join(names, ", ")
}
