// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package blackhole

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Describe implements trap.Detector.
func (d *Detector) Describe(k trap.Key, facts *flow.Facts, f *finding.Finding) {
	if k.Cause == LinkDropsOversize {
		if l, ok := d.links.Get(linkKey{k.Netns, k.Subject}); ok {
			l.describe(facts, f)
		}
		return
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
	switch cause {
	case DropsLargeInbound:
		g.describeInbound(path, facts, f)
		g.fixInbound(path, facts, f)
	case OverlayMismatch:
		g.describeOverlay(path, facts, f)
		g.fixOverlay(path, facts, f)
	default:
		g.describePath(path, facts, f)
		fixPath(path, facts, f)
	}
}

func (g *group) describePath(path *flow.Path, facts *flow.Facts, f *finding.Finding) {
	f.Message = fmt.Sprintf("MTU blackhole on the path to %s", g.key.Peer)
	f.Symptoms = []string{
		fmt.Sprintf("connections to %s open, small requests work, and transfers hang as soon as a packet of %d bytes is due", g.key.Peer, f.MTU.SmallestLost),
		"the sender waits longer and longer between resends, and gives up after a quarter of an hour (tcp_retries2)",
	}
	f.Evidence = append(f.Evidence, trap.Sizes(f.MTU))
	f.Evidence = append(f.Evidence, trap.Stuck(path, trap.Clock(facts))...)
	g.weighSender(path, facts, f)
	f.Evidence = append(f.Evidence, "no ICMP \"too big\" about "+g.key.Peer.String()+" came in")
	f.Evidence = append(f.Evidence, trap.Believed(path)...)
}

// weighSender adds up what speaks for a black hole, by the connection that shows it
// best.
func (g *group) weighSender(path *flow.Path, facts *flow.Facts, f *finding.Finding) {
	var best *flow.Stall
	for s := range path.Stalls.All {
		if best == nil || s.Last.Timeouts >= best.Last.Timeouts {
			best = s
		}
	}
	if best == nil {
		return
	}
	var c trap.Confidence
	c.Add(30, "the same segment timed out %d times", best.Last.Timeouts)
	if !carried(path, best) {
		c.Add(20, "nothing of its size (%d bytes) is known to have got through to %s", best.Size, g.key.Peer)
	} else {
		f.Against = append(f.Against, fmt.Sprintf("packets of %d bytes got through to %s at another time: the path may have changed", max(path.Passed, path.Likely), g.key.Peer))
	}
	if n := flight(best); carried(path, best) && n > 0 {
		c.Add(15, "%d packets of its size that were sent with it are lost as well", n)
	}
	proof := smallPass(best)
	if proof != "" {
		f.Evidence = append(f.Evidence, proof)
	}
	if proof != "" && missedSince(best) > 0 {
		c.Add(40, "small packets pass meanwhile: %s", proof)
	} else if proof != "" {
		c.Add(20, "small packets pass by now: %s", proof)
		f.Against = append(f.Against, "an outage that is over would look the same until the next resend: none was lost yet since small packets pass")
	} else if probe := trap.Probed(path); probe == nil || !loses(probe, best) {
		f.Against = append(f.Against, "a peer that went down just then would look the same: nothing small has been seen to pass since")
	}
	weighProbe(path, best, facts, f, &c)
	if path.Facts != nil && path.Facts.UnreachableIn == 0 {
		c.Add(5, "this namespace has not received a single ICMP \"destination unreachable\" or \"packet too big\"")
	}
	if n := path.Stalls.Len(); n > 1 {
		c.Add(4, "%d connections show it", n)
	}
	c.Into(f)
	f.Against = append(f.Against, "a missing ICMP error does not prove a firewall: routers limit their rate, and a tunnel or switch never sends one")
}

func (g *group) describeInbound(path *flow.Path, facts *flow.Facts, f *finding.Finding) {
	f.Flow.Source, f.Flow.Destination = g.key.Peer, path.Local
	f.Flow.Direction, f.Ingress, f.Egress = "ingress", f.Egress, ""
	f.Message = fmt.Sprintf("MTU blackhole on the path from %s", g.key.Peer)
	f.Symptoms = []string{
		fmt.Sprintf("connections to %s open, and the answer stops where it becomes large: a TLS handshake that waits for the certificate, a page that never loads", g.key.Peer),
	}
	var c trap.Confidence
	for h := range g.holes(facts) {
		f.Flow.Transport = "tcp"
		f.Flow.SourcePort, f.Flow.DestinationPort = h.Tuple.Peer.Port(), h.Tuple.Local.Port()
		f.Evidence = append(f.Evidence, holeWords(h, trap.Clock(facts)))
		f.MTU.SmallestLost = missing(h)
		if !largeBefore(&h.First) {
			f.MTU.LargestPassed = h.First.ReceiveMSS + h.Last.Overhead
		}
		c = weighHole(h)
	}
	c.Into(f)
	f.Evidence = append(f.Evidence, trap.Sizes(f.MTU)+", as large as what this host itself sends at most")
	f.Against = []string{"the peer's own view is not seen from here: it resends and its packets do not arrive"}
	f.Evidence = append(f.Evidence, trap.Believed(path)...)
}

// missing is the size of the packets that did not come in.
func missing(h *flow.Hole) uint32 { return min(h.Last.Hole, h.Last.MSS) + h.Last.Overhead }

func holeWords(h *flow.Hole, clock func(at event.Time) string) string {
	c := &h.Last
	if c.Queued == 0 {
		return fmt.Sprintf("%s -> %s: bytes are missing since %s, for %.1f s, while some sent after them have arrived (the connection has no SACK to tell how many)",
			h.Tuple.Peer, h.Tuple.Local, clock(h.FirstAt), h.Age().Seconds())
	}
	return fmt.Sprintf("%s -> %s: %d bytes are missing since %s, for %.1f s, while %d bytes sent after them have arrived",
		h.Tuple.Peer, h.Tuple.Local, c.Hole, clock(h.FirstAt), h.Age().Seconds(), c.Queued)
}

func weighHole(h *flow.Hole) trap.Confidence {
	var c trap.Confidence
	c.Add(40, "the missing bytes fill full-size segments, and the smaller segments behind them arrived")
	if !largeBefore(&h.First) {
		c.Add(25, "no full-size segment ever came in on this connection")
	}
	if h.Age() >= holeConfirm {
		c.Add(25, "it has lasted for %.1f s, in which a sender resends at least three times", h.Age().Seconds())
	}
	if h.Last.SegmentsIn > h.First.SegmentsIn {
		c.Add(5, "the peer is alive: %d segments came in meanwhile", h.Last.SegmentsIn-h.First.SegmentsIn)
	}
	return c
}

func (g *group) describeOverlay(path *flow.Path, facts *flow.Facts, f *finding.Finding) {
	g.describePath(path, facts, f)
	tunnel, under := g.overlay.Link, g.overlay.Under
	fits := under.MTU - tunnel.Overhead
	f.Message = fmt.Sprintf("The MTU of %s is too large for what is under it", tunnel.Name)
	if trap.Measured(path) == nil {
		f.MTU.Path = fits
	}
	f.Evidence = append(f.Evidence, fmt.Sprintf("%s (%s) has MTU %d and adds %d bytes, %s under it takes %d: what fits is %d",
		tunnel.Name, tunnel.Type, tunnel.MTU, tunnel.Overhead, under.Name, under.MTU, fits))
}

// lost says how many packets of which sizes were dropped.
func (l *link) lost() string {
	size := fmt.Sprintf("%d bytes", l.largest)
	if l.smallest != l.largest {
		size = fmt.Sprintf("%d to %d bytes", l.smallest, l.largest)
	}
	if l.drops == 1 {
		return "a packet of " + size + " was"
	}
	return fmt.Sprintf("%d packets of %s were", l.drops, size)
}

func (l *link) describe(facts *flow.Facts, f *finding.Finding) {
	l.flow(f)
	mtu := limit(&l.first)
	f.Message = fmt.Sprintf("%s drops packets that are larger than its MTU, without an ICMP error", l.key.iface)
	f.Symptoms = []string{
		fmt.Sprintf("what passes %s works while packets have at most %d bytes, and hangs when they are larger", l.key.iface, mtu),
		"no error reaches the sender: bridges and virtual cables send none",
	}
	f.MTU = &finding.MTU{Path: mtu, SmallestLost: l.smallest, Interface: l.first.DeviceMTU}
	where := "the kernel"
	if l.first.Symbol != "" {
		where = l.first.Symbol
	}
	f.Evidence = []string{
		fmt.Sprintf("%s dropped in %s; %s has MTU %d", l.lost(), where, l.key.iface, l.first.DeviceMTU),
		fmt.Sprintf("the first: %s -> %s, %d bytes, at %s", l.first.Packet.Source, l.first.Packet.Destination, l.first.Packet.Length, trap.Clock(facts)(l.first.Time)),
	}
	if farEnd(&l.first) {
		f.Evidence = append(f.Evidence, fmt.Sprintf("the far end of this virtual cable, %s, has MTU %d and takes no more", l.first.OutIface, mtu))
	}
	var c trap.Confidence
	c.Add(80, "the kernel dropped packets larger than the device's MTU")
	if l.first.Symbol != "" {
		c.Add(10, "it was %s that dropped them, which checks for just that", l.first.Symbol)
	}
	if l.drops >= confirmDrops {
		c.Add(9, "%d drops, not an accident", l.drops)
	}
	c.Into(f)
	f.Against = []string{"not counted: super-packets of segmentation offload, which are larger than any MTU and pass"}
	l.fix(facts, f)
}
