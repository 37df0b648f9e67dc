// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func (g *group) describeMartian(facts *flow.Facts, f *finding.Finding) {
	source, in := g.first.Packet.Source.Addr(), g.first.Iface
	kind := sourceKind(source, g.first.Reason)
	f.Message = fmt.Sprintf("Martian source: %s from %s arrives on %s", martianWords(kind), source, in)
	f.Symptoms = []string{
		fmt.Sprintf("packets that claim to come from %s arrive on %s and are thrown away", source, in),
	}
	f.Evidence = append(f.Evidence, g.counted(f))
	if owner := ownerOf(facts.Namespace(g.key.Netns).Routing, g); owner != "" {
		f.Evidence = append(f.Evidence, owner)
	}
	var c trap.Confidence
	c.Add(85, "the kernel dropped them as %s: the source is impossible on any path", g.first.Reason)
	c.Doubt(&g.first, f)
	c.Add(10, "%d drops, not a stray", g.drops)
	c.Into(f)
	f.Against = martianAgainst(kind)
}

func martianWords(kind string) string {
	switch kind {
	case "own":
		return "traffic with this host's own address"
	case "loopback":
		return "traffic with a loopback source"
	case "zero":
		return "traffic without a source address"
	case "broadcast":
		return "traffic with a broadcast source"
	default:
		return "traffic with an impossible source"
	}
}

func martianAgainst(kind string) []string {
	against := []string{"this is not asymmetric routing: no route would make the source right, so it is a misconfiguration or spoofing"}
	if kind == "own" {
		against = append(against,
			"an address that just moved (VRRP, keepalived) shows the same for a moment",
			"a cable, bridge or tunnel between two interfaces of this host sends its own packets back to it")
	}
	return against
}

// ownerOf says which interface holds the source address.
func ownerOf(routing *event.Routing, g *group) string {
	source := g.first.Packet.Source.Addr()
	iface, ok := holder(routing, source)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s is this host's own address, on %s", source, iface)
}

func (g *group) fixMartian(facts *flow.Facts, f *finding.Finding) {
	place := trap.Where(facts, g.key.Netns)
	source, in := g.first.Packet.Source.Addr(), g.first.Iface
	who := place.Look("shows which neighbour sends them", "tcpdump -eni %s -c 5 src host %s", in, source)
	if sourceKind(source, g.first.Reason) == "own" {
		key := finding.SysctlKey("net", "ipv4", "conf", in, "accept_local")
		op := finding.Sysctl{Key: key, Value: "1"}
		f.Fix = append(f.Fix, place.Do(op,
			"accepts this host's own addresses as source on "+in+", for two interfaces of one host that talk through the network",
			"a spoofed packet with this source is accepted too: if nothing should send these, stop the sender instead"))
		f.Persistent = place.Keep("accept-local", op)
		f.Undo = append(f.Undo, place.Do(finding.Sysctl{Key: key, Value: "0"}, "refuses them again", ""))
	}
	f.Fix = append(f.Fix, who)
	if !g.first.SourceMAC.IsZero() {
		f.Fix = append(f.Fix, place.Look("finds the neighbour's other addresses", "ip neigh show dev %s | grep -i %s", in, g.first.SourceMAC))
	}
	f.Verify = append(f.Verify, place.Look("must not grow any more", "nstat -az IpExtInNoRoutes TcpExtIPReversePathFilter IpInAddrErrors"), who)
}
