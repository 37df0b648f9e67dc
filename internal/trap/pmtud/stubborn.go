// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package pmtud

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// stubborn is a sender of datagrams about which errors come in again and again: nobody
// acknowledges datagrams, so that the errors themselves are all that shows it.
//
// Innocent are programs that find the path's MTU by themselves (RFC 8899, QUIC): they try
// a size three times (MAX_PROBES), or lose some packets of it until they notice, and
// then send less.
type stubborn struct {
	source, destination netip.AddrPort
	length              uint32
	first, last         event.Time
	moments             int // samples, which are apart by a sampling interval
}

const (
	stubbornSuspect      = 1500 * time.Millisecond
	stubbornSuspectTimes = 4
	stubbornConfirm      = 4 * time.Second
	stubbornConfirmTimes = 8
	// stubbornOver is how long no error must come for the program to have learned.
	stubbornOver = 10 * time.Second
)

// nag takes an error that came in about a datagram.
func (g *group) nag(e *event.TooBig) {
	inner := &e.Inner
	itself := e.Packet.Source.Addr() == inner.Source.Addr() // as tunnels tell themselves
	if inner.Protocol != event.ProtocolUDP || itself || e.MTU == 0 || inner.Length <= e.MTU {
		return
	}
	s := &g.stubborn
	if s.source != inner.Source || s.destination != inner.Destination || s.length != inner.Length || e.Time.Sub(s.last) > stubbornOver {
		*s = stubborn{source: inner.Source, destination: inner.Destination, length: inner.Length, first: e.Time}
	}
	s.last = e.Time
	s.moments++
}

// status judges how long it has gone on.
func (s *stubborn) status() finding.Status {
	lasted := s.last.Sub(s.first)
	switch {
	case s.moments >= stubbornConfirmTimes && lasted >= stubbornConfirm:
		return finding.Confirmed
	case s.moments >= stubbornSuspectTimes && lasted >= stubbornSuspect:
		return finding.Suspected
	default:
		return ""
	}
}

// heedless tells whether the host's own datagrams go on as before.
func (g *group) heedless(facts *flow.Facts) finding.Status {
	status := g.stubborn.status()
	if status == "" || !holds(facts.Namespace(g.key.Netns).Routing, g.stubborn.source.Addr()) {
		return ""
	}
	return status
}

// learned says that a stubborn program has sent less for a while, "" where it has not.
func (g *group) learned(now event.Time) string {
	s := &g.stubborn
	if s.status() == "" || now.Sub(s.last) < stubbornOver {
		return ""
	}
	return fmt.Sprintf("no packet of %s was too big for %s", s.source, stubbornOver)
}

func (g *group) describeStubborn(path *flow.Path, clock func(event.Time) string, f *finding.Finding) {
	s, told := &g.stubborn, &path.Told
	f.Message = fmt.Sprintf("A program goes on sending packets that are too big for the path to %s", g.key.Peer)
	f.Flow.Source, f.Flow.SourcePort = s.source.Addr(), s.source.Port()
	f.Flow.Destination, f.Flow.DestinationPort = s.destination.Addr(), s.destination.Port()
	f.Symptoms = []string{fmt.Sprintf("datagrams of %d bytes from port %d never arrive at %s, smaller ones do", s.length, s.source.Port(), g.key.Peer)}
	f.MTU.SmallestLost = s.length
	f.Evidence = append(f.Evidence, fmt.Sprintf("%s told an MTU of %d at %s, and for %.1f s since packets of %d bytes have been sent from %s and refused",
		told.Packet.Source.Addr(), told.MTU, clock(s.first), s.last.Sub(s.first).Seconds(), s.length, s.source))
	var c trap.Confidence
	c.Add(60, "packets of the same size after the error had come in")
	c.Add(min(s.moments, 30), "errors at %d moments, not while a program finds its size", s.moments)
	if path.Facts != nil && path.Facts.Learned != 0 {
		c.Add(5, "the kernel has learned the MTU, and the program's socket does not go by it (IP_PMTUDISC_PROBE)")
	}
	c.Into(f)
	f.Against = []string{"a program that finds the path's MTU by itself (QUIC, RFC 8899) sends some packets that are too big, too, but no size for so long"}
}

// fixStubborn tells what makes such a program send less: its socket goes by the device's
// MTU and by no route's.
func (g *group) fixStubborn(place trap.Place, path *flow.Path, f *finding.Finding) {
	port := g.stubborn.source.Port()
	f.Fix = append(f.Fix,
		trap.Note("have the program that sends from port %d send at most %d bytes an IP packet, or heed EMSGSIZE (IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: not IP_PMTUDISC_PROBE, _INTERFACE or _OMIT); who it is: ss -uanp sport = :%d",
			port, trap.SafeMTU(path), port))
	if path.Facts == nil || path.Facts.Link.Name == "" || path.Facts.Link.MTU <= trap.SafeMTU(path) {
		return
	}
	link := path.Facts.Link
	f.Fix = append(f.Fix, place.Do(finding.LinkOp{Dev: link.Name, MTU: trap.SafeMTU(path)},
		"such sockets go by the device's MTU: the kernel refuses larger packets at once", "for every peer behind "+link.Name))
	f.Undo = append(f.Undo, place.Do(finding.LinkOp{Dev: link.Name, MTU: link.MTU}, "as it was", ""))
}
