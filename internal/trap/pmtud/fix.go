// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package pmtud

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// fix mends what was seen to lose the signal, and offers the route's MTU, which needs
// no signal at all.
func (g *group) fix(cause finding.Cause, path *flow.Path, facts *flow.Facts, f *finding.Finding) {
	place := trap.Where(facts, path.Key.Netns)
	if cause == DroppedInbound {
		letIn(place, path, f, "prerouting", "input", "forward")
	}
	if cause == Ignored {
		g.fixSetting(place, path, f)
	}
	mtu := trap.SafeMTU(path)
	if route, undo, ok := trap.PathRoute(path, mtu); ok {
		f.Fix = append(f.Fix, place.Do(route,
			fmt.Sprintf("packets to %s get at most %d bytes, with no need of any ICMP", path.Key.Peer, mtu), ""))
		f.Undo = append(f.Undo, place.Do(undo, "as it was", ""))
		f.Persistent = append(f.Persistent, place.KeepRoute(route)...)
	}
	if path.Facts != nil && path.Facts.MTUProbing == 0 && f.Flow.Transport == "tcp" {
		op := finding.Sysctl{Key: "net.ipv4.tcp_mtu_probing", Value: "1"}
		f.Fix = append(f.Fix, place.Do(op, "a mitigation: after three time-outs the kernel shrinks a connection's segments itself", "each connection still stalls for some seconds"))
		f.Undo = append(f.Undo, place.Do(finding.Sysctl{Key: op.Key, Value: "0"}, "as it was", ""))
		f.Persistent = append(f.Persistent, place.Keep("mtu-probing", op)...)
	}
	verifyEnd(place, path, f)
}

// letIn accepts the errors in the chain that drops them. Which one it is, the drop
// does not tell: the one with a rule against ICMP, else one whose policy drops.
func letIn(place trap.Place, path *flow.Path, f *finding.Finding, hooks ...string) {
	six := path.Key.Peer.Is6()
	if path.Facts == nil {
		return
	}
	chain, ok := trap.FilterAt(path.Facts.Filters, six, hooks...)
	if !ok {
		f.Fix = append(f.Fix, oldTables(place, six, "INPUT"))
		return
	}
	f.Fix = append(f.Fix, place.Do(trap.LetIn(chain, six), fmt.Sprintf("lets ICMP \"too big\" pass the chain %s %s %s", chain.Family, chain.Table, chain.Chain), ""))
	f.Undo = append(f.Undo, finding.Step{Op: trap.ForgetLetIn(chain), Enter: place.Enter, Does: "takes the rule out again"})
	f.Persistent = append(f.Persistent, keepRule(chain, six)...)
}

// oldTables is for rules of the older iptables, which nftables does not show.
func oldTables(place trap.Place, six bool, chain string) finding.Step {
	if six {
		return place.Look("where the rules are the older iptables'", "ip6tables -I %s -p ipv6-icmp --icmpv6-type packet-too-big -j ACCEPT", chain)
	}
	return place.Look("where the rules are the older iptables'", "iptables -I %s -p icmp --icmp-type fragmentation-needed -j ACCEPT", chain)
}

func keepRule(chain event.Filter, six bool) []finding.Step {
	rule := "icmp type destination-unreachable icmp code frag-needed accept"
	if six {
		rule = "icmpv6 type packet-too-big accept"
	}
	return []finding.Step{
		trap.Note("in /etc/nftables.conf, first in chain %s of table %s %s: %s", chain.Chain, chain.Family, chain.Table, rule),
		trap.Note("firewalld lets these errors in unless icmp-block names them: firewall-cmd --permanent --remove-icmp-block=destination-unreachable; ufw: /etc/ufw/before.rules has them"),
	}
}

// fixSetting takes back the setting that makes the kernel pass over the error.
func (g *group) fixSetting(place trap.Place, path *flow.Path, f *finding.Finding) {
	facts := path.Facts
	if facts == nil {
		return
	}
	switch {
	case facts.RouteLocked:
		return // the route of the next step has no lock
	case facts.NoPMTUDisc != 0:
		op := finding.Sysctl{Key: "net.ipv4.ip_no_pmtu_disc", Value: "0"}
		f.Fix = append(f.Fix, place.Do(op, "has the kernel learn path MTUs again", "connections that are open keep their old mode"))
		f.Undo = append(f.Undo, place.Do(finding.Sysctl{Key: op.Key, Value: fmt.Sprint(facts.NoPMTUDisc)}, "as it was", ""))
		f.Persistent = append(f.Persistent, place.Keep("pmtu-disc", op)...)
	case path.Told.MTU < facts.MinPMTU && !path.Key.Peer.Is6():
		op := finding.Sysctl{Key: "net.ipv4.route.min_pmtu", Value: fmt.Sprint(path.Told.MTU)}
		f.Fix = append(f.Fix, place.Do(op, "has the kernel believe MTUs as small as the one told", "a forged error can then shrink packets so far, too"))
		f.Undo = append(f.Undo, place.Do(finding.Sysctl{Key: op.Key, Value: fmt.Sprint(facts.MinPMTU)}, "as it was", ""))
		f.Persistent = append(f.Persistent, place.Keep("min-pmtu", op)...)
	}
}

func verifyEnd(place trap.Place, path *flow.Path, f *finding.Finding) {
	peer := path.Key.Peer
	f.Verify = append(f.Verify,
		place.Look("measures the path's MTU, and teaches it to a host that heeds ICMP errors", "trapbpf probe mtu %s", peer),
		place.Look("must show the smaller mtu, learned or set", "ip route get %s", peer),
		place.Look("retrans and backoff must be gone, bytes_acked must grow", "ss -tino dst %s", peer),
		place.Look("must not grow any more", "nstat -az TcpExtTCPTimeouts TcpExtOutOfWindowIcmps IcmpInDestUnreachs Icmp6InPktTooBigs"))
}

// fix mends the router: lets its errors out, and beside that clamps the MSS, so that
// TCP through it needs no errors.
func (w *way) fix(facts *flow.Facts, f *finding.Finding) {
	place := trap.Where(facts, w.key.netns)
	six := w.key.source.Is6()
	if w.told.Cause == DroppedOutbound {
		w.letOut(place, facts, six, f)
	} else if w.back != nil && !w.back.Found {
		f.Fix = append(f.Fix, trap.Note("give %s a route back (ip route add %s/%d ...): without one the error has nowhere to go", w.key.source, w.key.source, w.key.source.BitLen()))
	}
	f.Fix = append(f.Fix,
		place.Do(trap.Clamp(), "keeps the segments of new TCP connections through this router small enough, in both directions", "no help for UDP and for connections that are open"),
		clampOld(place, six))
	f.Undo = append(f.Undo, place.Do(trap.Unclamp(), "takes the clamp away", ""))
	f.Persistent = append(f.Persistent, trap.Note("in /etc/nftables.conf: table inet trapbpf { chain clamp { type filter hook forward priority mangle; tcp flags syn tcp option maxseg size set rt mtu; } }"))
	f.Verify = append(f.Verify,
		place.Look("shows ICMP \"too big\" leaving", "tcpdump -ni any -c 3 %s", tooBigFilter(six)),
		place.Look("must show the rule", "nft list ruleset"))
}

// tooBigFilter is tcpdump's word for such errors.
func tooBigFilter(six bool) string {
	if six {
		return "icmp6 and ip6[40] == 2"
	}
	return "icmp[0] == 3 and icmp[1] == 4"
}

func clampOld(place trap.Place, six bool) finding.Step {
	tool := "iptables"
	if six {
		tool = "ip6tables"
	}
	return place.Look("the same, where the rules are iptables'", "%s -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu", tool)
}

func (w *way) letOut(place trap.Place, facts *flow.Facts, six bool, f *finding.Finding) {
	known := w.facts(facts)
	if known == nil {
		return
	}
	chain, ok := trap.FilterAt(known.Filters, six, "output", "postrouting")
	if !ok {
		f.Fix = append(f.Fix, oldTables(place, six, "OUTPUT"))
		return
	}
	f.Fix = append(f.Fix, place.Do(trap.LetIn(chain, six), fmt.Sprintf("lets ICMP \"too big\" leave by the chain %s %s %s", chain.Family, chain.Table, chain.Chain), ""))
	f.Undo = append(f.Undo, finding.Step{Op: trap.ForgetLetIn(chain), Enter: place.Enter, Does: "takes the rule out again"})
	f.Persistent = append(f.Persistent, keepRule(chain, six)...)
}
