// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Header bytes of TCP segments without options, and the MTUs that any path must
// carry: the least that an IPv4 host reassembles (RFC 791), what every IPv6 link
// has (RFC 8200, section 5).
const (
	headersIPv4 = 20 + 20
	headersIPv6 = 40 + 20
	leastIPv4   = 576
	leastIPv6   = 1280
)

// PathRoot names the fault behind findings about one path: MTU findings of both
// traps and both ends, so that only the best explanation stays.
func PathRoot(local, peer netip.Addr) string { return fmt.Sprintf("path %s %s", local, peer) }

// LeastMTU is what every path to a peer must carry: a packet that is no larger and
// gets lost is lost for another reason.
func LeastMTU(peer netip.Addr) uint32 {
	if peer.Is6() {
		return leastIPv6
	}
	return leastIPv4
}

// SafeMTU is an MTU that a path surely carries: one that was measured, else the one that a router told, else one
// known to have got through, else 1280, which all tunnels of the real world carry
// since IPv6 needs it.
func SafeMTU(p *flow.Path) uint32 {
	lost := Lost(p)
	if probe := Measured(p); probe != nil && probe.Passed >= LeastMTU(p.Key.Peer) {
		return probe.Passed
	}
	if told := p.Told.MTU; told >= LeastMTU(p.Key.Peer) && (lost == 0 || told < lost) && sensible(&p.Told) {
		return told
	}
	if p.Killed.Last != 0 && p.Killed.Packet.ICMPMTU >= LeastMTU(p.Key.Peer) {
		return p.Killed.Packet.ICMPMTU
	}
	switch {
	case p.Passed >= leastIPv6 && (lost == 0 || p.Likely < lost):
		return p.Passed
	case lost == 0 || lost > leastIPv6:
		return leastIPv6
	default:
		return leastIPv4
	}
}

// sensible tells whether an error's MTU is smaller than the packet that it quotes.
func sensible(told *flow.Told) bool { return told.Inner.Length == 0 || told.MTU < told.Inner.Length }

// Lost is the smallest size that is known not to get through, 0 where none is.
func Lost(p *flow.Path) uint32 {
	var lost uint32
	for s := range p.Stalls.All {
		if !s.Large && (lost == 0 || s.Size < lost) {
			lost = s.Size
		}
	}
	return lost
}

// PathMTU fills in what a finding tells of sizes. The path's own MTU is told only
// where it was measured or a router named it.
func PathMTU(p *flow.Path) *finding.MTU {
	m := &finding.MTU{SmallestLost: Lost(p), Told: p.Told.MTU}
	if m.SmallestLost == 0 && p.Told.Inner.Length > p.Told.MTU {
		m.SmallestLost = p.Told.Inner.Length // its router said so
	}
	if m.SmallestLost == 0 || p.Likely < m.SmallestLost { // else it was another path
		m.LargestPassed = p.Passed
	}
	if p.Killed.Last != 0 {
		m.Told = p.Killed.Packet.ICMPMTU
		if m.SmallestLost == 0 {
			m.SmallestLost = p.Killed.Inner.Length
		}
	}
	if m.Told >= LeastMTU(p.Key.Peer) && m.Told < m.SmallestLost {
		m.Path = m.Told
	}
	if p.Facts != nil {
		m.Interface, m.Route = p.Facts.Link.MTU, p.Facts.Route.MTU
	}
	if probe := Measured(p); probe != nil {
		m.Path, m.LargestPassed, m.SmallestLost = probe.Passed, probe.Passed, probe.Lost
	}
	return m
}

// PathFlow gives the connection that a finding about a path shows: the newest stuck
// one, else the one that ICMP spoke of.
func PathFlow(p *flow.Path, f *finding.Finding) {
	f.Flow = finding.Flow{Source: p.Local, Destination: p.Key.Peer, Direction: "egress"}
	if quoted := quotedOf(p); quoted != nil {
		f.Flow.Transport = TransportOf(quoted.Protocol)
		f.Flow.SourcePort, f.Flow.DestinationPort = quoted.Source.Port(), quoted.Destination.Port()
	}
	for s := range p.Stalls.All {
		f.Flow.Transport = "tcp"
		f.Flow.SourcePort, f.Flow.DestinationPort = s.Tuple.Local.Port(), s.Tuple.Peer.Port()
		f.Process = OwnerOf(s.Last.Owner)
	}
	if p.Facts != nil {
		f.Egress = p.Facts.Link.Name
	}
	if p.Refused != nil {
		f.ErrorCode = "EMSGSIZE"
	}
}

func quotedOf(p *flow.Path) *event.Packet {
	switch {
	case p.Killed.Last != 0:
		return &p.Killed.Inner
	case p.Told.Last != 0:
		return &p.Told.Inner
	default:
		return nil
	}
}

// TransportOf names the transport of a protocol number as records do, "" for one
// that has no ports.
func TransportOf(protocol uint8) string {
	switch protocol {
	case event.ProtocolTCP:
		return "tcp"
	case event.ProtocolUDP:
		return "udp"
	default:
		return ""
	}
}

// Stuck tells of the connections that wait on a path, in sentences of evidence.
func Stuck(p *flow.Path, clock func(event.Time) string) []string {
	var lines []string
	for s := range p.Stalls.All {
		c := &s.Last.Connection
		line := fmt.Sprintf("%s -> %s: the segment of %d bytes at snd_una was sent again after %d time-outs since %s",
			s.Tuple.Local, s.Tuple.Peer, s.Size, s.Last.Timeouts, clock(s.First.Since))
		if s.Ended != 0 {
			line += ", over now"
		} else {
			line += fmt.Sprintf("; %d bytes wait, and %d were acknowledged before", c.Next-c.Unacked, c.BytesAcked)
		}
		lines = append(lines, line)
	}
	return lines
}

// Believed tells what the namespace itself believes of the path.
func Believed(p *flow.Path) []string {
	facts := p.Facts
	if facts == nil {
		return []string{"the routes of this namespace could not be read"}
	}
	var lines []string
	if facts.Link.Name != "" {
		lines = append(lines, fmt.Sprintf("it leaves by %s, MTU %d, by the route: %s", facts.Link.Name, facts.Link.MTU, facts.Route.Text))
	}
	if facts.Learned != 0 {
		lines = append(lines, fmt.Sprintf("the kernel has learned a path MTU of %d, for %.0f s more", facts.Learned, facts.Expires.Seconds()))
	}
	return append(lines, fmt.Sprintf("tcp_mtu_probing is %d", facts.MTUProbing))
}

// Clock gives times of day of events, as evidence shows them.
func Clock(facts *flow.Facts) func(event.Time) string {
	return func(at event.Time) string {
		return facts.Clock.Wall.Add(at.Sub(facts.Clock.Time)).UTC().Format("15:04:05.000")
	}
}

// PathRoute gives the route that makes this host send no larger packets to a peer,
// and the operation that takes it back; false where its present route is not known.
func PathRoute(p *flow.Path, mtu uint32) (route, undo finding.RouteOp, ok bool) {
	if p.Facts == nil || p.Facts.Route.Iface == "" {
		return route, undo, false
	}
	now := p.Facts.Route
	peer := netip.PrefixFrom(p.Key.Peer, p.Key.Peer.BitLen())
	route = finding.RouteOp{
		Verb: "replace", Destination: peer, Gateway: now.Gateway, Dev: now.Iface,
		Source: now.Source, Table: tableOf(now), MTU: mtu,
	}
	undo = finding.RouteOp{Verb: "del", Destination: peer, Dev: now.Iface, Table: route.Table}
	if now.Destination == peer {
		undo = route
		undo.MTU, undo.MTULock = now.MTU, now.MTU != 0 && p.Facts.RouteLocked
	}
	return route, undo, true
}

// tableOf gives a route's table as a step names it: the main table goes without
// saying.
func tableOf(r event.Route) uint32 {
	const main = 254
	if r.Table == main {
		return 0
	}
	return r.Table
}

// KeepRoute gives the ways to hold a route's MTU over a reboot.
func (p Place) KeepRoute(r finding.RouteOp) []finding.Step {
	if !p.Own {
		return []finding.Step{Note("set the route where this network namespace is made (CNI, compose file, unit): it does not outlive it")}
	}
	to, family := r.Destination.String(), "ipv4"
	if r.Six() {
		family = "ipv6"
	}
	via, gateway, hop := "", "", ""
	if r.Gateway.IsValid() {
		via, gateway, hop = ", via: "+r.Gateway.String(), " Gateway="+r.Gateway.String(), " "+r.Gateway.String()
	}
	return []finding.Step{
		Note("netplan, under %s: routes: [{to: %s%s, mtu: %d}]", r.Dev, to, via, r.MTU),
		Note("systemd-networkd, in the .network file of %s: [Route] Destination=%s%s MTUBytes=%d", r.Dev, to, gateway, r.MTU),
		Note("NetworkManager: nmcli connection modify NAME +%s.routes \"%s%s mtu=%d\"", family, to, hop, r.MTU),
	}
}

// MSS is the payload of a TCP segment without options in a packet of mtu bytes.
func MSS(mtu uint32, six bool) uint32 {
	headers := uint32(headersIPv4)
	if six {
		headers = headersIPv6
	}
	if mtu <= headers {
		return 0
	}
	return mtu - headers
}

// Sizes says in words between which sizes the path's limit lies.
func Sizes(m *finding.MTU) string {
	var words []string
	if m.LargestPassed != 0 {
		words = append(words, fmt.Sprintf("packets of %d bytes got through", m.LargestPassed))
	}
	if m.SmallestLost != 0 {
		words = append(words, fmt.Sprintf("packets of %d bytes are lost", m.SmallestLost))
	}
	return strings.Join(words, ", ")
}
