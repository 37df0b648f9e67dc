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

// Describe implements trap.Detector.
func (d *Detector) Describe(k trap.Key, facts *flow.Facts, f *finding.Finding) {
	for w := range d.ways.All {
		if w.told == k {
			w.describe(facts, f)
			return
		}
	}
	for g := range d.groups.All {
		path := facts.Paths.Path(g.key)
		if g.key.Netns == k.Netns && g.key.Peer.String() == k.Subject && path != nil {
			g.describe(k.Cause, path, facts, f)
			return
		}
	}
}

func (g *group) describe(cause finding.Cause, path *flow.Path, facts *flow.Facts, f *finding.Finding) {
	trap.PathFlow(path, f)
	f.MTU = trap.PathMTU(path)
	clock := trap.Clock(facts)
	switch cause {
	case DroppedInbound:
		g.describeDropped(path, clock, f)
	case BogusMTU:
		g.describeBogus(path, clock, f)
	default:
		if g.ignored(path) == "" && g.stubborn.status() != "" {
			g.describeStubborn(path, clock, f)
			f.Evidence = append(f.Evidence, trap.Believed(path)...)
			g.fixStubborn(trap.Where(facts, path.Key.Netns), path, f)
			return
		}
		g.describeIgnored(path, clock, f)
	}
	f.Evidence = append(f.Evidence, trap.Stuck(path, clock)...)
	f.Evidence = append(f.Evidence, trap.Believed(path)...)
	g.fix(cause, path, facts, f)
}

// symptoms are what users see, whatever became of the error.
func symptoms(f *finding.Finding, g *group) {
	f.Symptoms = []string{
		fmt.Sprintf("connections to %s open, small requests work, and transfers hang as soon as a packet is too large", g.key.Peer),
	}
}

func (g *group) describeDropped(path *flow.Path, clock func(event.Time) string, f *finding.Finding) {
	k := &path.Killed
	f.Message = fmt.Sprintf("A firewall on this host drops the ICMP errors about the path to %s", g.key.Peer)
	f.Ingress = k.Iface
	symptoms(f, g)
	f.Evidence = append(f.Evidence, fmt.Sprintf(
		"%s said at %s that %s -> %s (%d bytes) does not fit an MTU of %d; netfilter dropped it as it came in by %s",
		k.Packet.Source.Addr(), clock(k.First), k.Inner.Source, k.Inner.Destination, k.Inner.Length, k.Packet.ICMPMTU, k.Iface))
	if k.Count > 1 {
		f.Evidence = append(f.Evidence, fmt.Sprintf("%d such errors were dropped", k.Count))
	}
	f.Evidence = append(f.Evidence, chains(path)...)
	var c trap.Confidence
	c.Add(85, "the kernel dropped the error itself, as NETFILTER_DROP")
	c.Doubt(&k.Drop, f)
	if path.Stalls.Len() > 0 {
		c.Add(10, "a connection to %s is stuck at the size that the error speaks of", g.key.Peer)
	}
	if k.Count > 1 {
		c.Add(4, "%d errors, not one", k.Count)
	}
	c.Into(f)
	f.Against = []string{"an attacker can send such errors, too: but the kernel checks the quoted sequence number itself, so that a firewall need not"}
}

// chains says where the drop may stand.
func chains(path *flow.Path) []string {
	if path.Facts == nil {
		return nil
	}
	var lines []string
	for _, c := range path.Facts.Filters {
		how := "a rule that drops ICMP"
		if !c.ICMP {
			how = "the policy, or a last rule, that drops what nothing accepts"
		}
		lines = append(lines, fmt.Sprintf("nftables chain %s %s %s (%s) has %s", c.Family, c.Table, c.Chain, c.Hook, how))
	}
	return lines
}

func (g *group) describeBogus(path *flow.Path, clock func(event.Time) string, f *finding.Finding) {
	told := &path.Told
	f.Message = fmt.Sprintf("A router tells a useless MTU for the path to %s", g.key.Peer)
	symptoms(f, g)
	f.Evidence = append(f.Evidence, fmt.Sprintf("%s told %s; first at %s, %d times",
		told.Packet.Source.Addr(), bogus(path), clock(told.First), told.Count))
	var c trap.Confidence
	c.Add(90, "the error says so itself")
	if path.Stalls.Len() > 0 {
		c.Add(9, "a connection to %s is stuck", g.key.Peer)
	}
	c.Into(f)
	f.Against = []string{"an error that was forged would look the same: compare its source with the routers of `tracepath`"}
}

func (g *group) describeIgnored(path *flow.Path, clock func(event.Time) string, f *finding.Finding) {
	told := &path.Told
	f.Message = fmt.Sprintf("ICMP told the MTU of the path to %s and was ignored", g.key.Peer)
	symptoms(f, g)
	f.Evidence = append(f.Evidence, fmt.Sprintf("%s told an MTU of %d at %s, and packets of %d bytes were sent again after that",
		told.Packet.Source.Addr(), told.MTU, clock(told.First), f.MTU.SmallestLost))
	var c trap.Confidence
	c.Add(60, "resends at the old size after the error had come in")
	if why := g.reason(path); why != "" {
		c.Add(30, "the reason is known: %s", why)
		f.Evidence = append(f.Evidence, why)
	} else {
		f.Against = append(f.Against, "why this host does not act on it was not found: the error may quote a connection of another host (NAT, anycast, ECMP)")
	}
	if path.Facts != nil && path.Facts.Learned == 0 {
		c.Add(5, "the route cache has learned nothing from it")
	}
	c.Into(f)
}

func (w *way) describe(facts *flow.Facts, f *finding.Finding) {
	clock := trap.Clock(facts)
	p := &w.first.Packet
	if w.first.Time == 0 {
		p = &w.killed.Inner
	}
	f.Flow = finding.Flow{
		Source: p.Source.Addr(), SourcePort: p.Source.Port(),
		Destination: p.Destination.Addr(), DestinationPort: p.Destination.Port(),
		Transport: trap.TransportOf(p.Protocol),
	}
	f.Ingress, f.Egress = w.first.Iface, w.first.OutIface
	if f.Ingress == f.Egress {
		f.Ingress = "" // IPv6 puts a packet on the device it leaves by before it drops it
	}
	f.MTU = &finding.MTU{Path: w.first.OutMTU, SmallestLost: p.Length, Interface: w.first.OutMTU, Told: w.mtu}
	f.Symptoms = []string{
		fmt.Sprintf("%s opens connections to %s, and transfers hang as soon as a packet has more than %d bytes", w.key.source, w.key.destination, f.MTU.Path),
	}
	if w.drops > 0 {
		f.Evidence = append(f.Evidence, fmt.Sprintf("packets were too big for %s (MTU %d) since %s, %d so far: the first %s -> %s, %d bytes",
			w.first.OutIface, w.first.OutMTU, clock(w.firstAt), w.drops, p.Source, p.Destination, p.Length))
	}
	if w.told.Cause == DroppedOutbound {
		w.describeKilled(clock, f)
	} else {
		w.describeUnsent(f)
	}
	w.fix(facts, f)
}

func (w *way) describeKilled(clock func(event.Time) string, f *finding.Finding) {
	f.Message = fmt.Sprintf("This router's firewall drops its own ICMP errors to %s", w.key.source)
	f.Evidence = append(f.Evidence, fmt.Sprintf("%d errors from %s to %s that should have told so were dropped by netfilter, the last at %s",
		w.kills, w.killed.Packet.Source.Addr(), w.killed.Packet.Destination.Addr(), clock(w.killAt)))
	var c trap.Confidence
	c.Add(75, "the kernel dropped the error itself, as NETFILTER_DROP")
	c.Doubt(&w.killed, f)
	if w.drops > 0 {
		c.Add(20, "and the packet that it is about, as %s", w.first.Reason)
	}
	if w.kills > 1 {
		c.Add(4, "%d errors, not one", w.kills)
	}
	c.Into(f)
	f.Against = []string{"not counted: errors that are only passing through this router"}
}

func (w *way) describeUnsent(f *finding.Finding) {
	f.Message = fmt.Sprintf("This router drops packets that are too big for %s and sends no ICMP error", w.subject())
	f.Evidence = append(f.Evidence, fmt.Sprintf("no ICMP error to %s left this host in that time, over %d flights of packets", w.key.source, w.bursts))
	var c trap.Confidence
	c.Add(60, "the kernel dropped the packets as %s", w.first.Reason)
	c.Doubt(&w.first, f)
	c.Add(10*min(w.bursts, 3), "the sender came again %d times and no error was sent", w.bursts)
	if back := w.back; back != nil && !back.Found {
		c.Add(9, "there is no route back to %s: %s", w.key.source, back.Error)
		f.Evidence = append(f.Evidence, fmt.Sprintf("no route leads back to %s: %s", w.key.source, back.Error))
	}
	c.Into(f)
	f.Against = []string{"Linux does not limit the rate of these errors, so that is no reason for their absence"}
}
