// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// martian are packets whose source cannot be: a neighbour with a copied address, a
// broken tunnel, a forger.
func martian() []Scenario {
	fault := Scenario{
		Trap: finding.AsymmetricRouting, Cause: "martian-source",
		Views: []string{"server"}, budget: dropBudget,
	}
	own, loopback, zero := fault, fault, fault
	own.Name = "martian"
	own.Summary = "a neighbour sends with this host's own address as source"
	own.build = forgedSource(duoServer)
	loopback.Name = "martian-loopback"
	loopback.Summary = "packets from 127.0.0.1 arrive on a real link"
	loopback.build = forgedSource("127.0.0.1")
	zero.Name = "martian-zero"
	zero.Summary = "packets from 0.0.0.0 to one host, not a DHCP broadcast"
	zero.build = forgedSource("0.0.0.0")
	noise := Scenario{
		Name: "martian-broadcast", Summary: "DHCP, mDNS, ARP and another subnet's broadcasts on one wire",
		TwinOf: own.Name, Views: fault.Views, build: broadcastNoise,
	}
	return []Scenario{own, loopback, zero, noise}
}

// forgedSource has a neighbour send 50 datagrams a second from an impossible
// address, until it is told to stop.
func forgedSource(source string) func(*network) stage {
	return func(n *network) stage {
		d := buildDuo(n, 0)
		var honest atomic.Bool
		return stage{
			traffic: d.sendFrames(50, func(to, from net.HardwareAddr) [][]byte {
				packet := datagram{to: to, from: from, sourcePort: 40000, port: 9, dest: netip.MustParseAddr(duoServer)}
				packet.source = netip.MustParseAddr(source)
				if honest.Load() {
					packet.source = netip.MustParseAddr(duoClient)
				}
				return [][]byte{packet.frame([]byte("martian"))}
			}, true),
			proof: func(r reading) error { return atLeast("forged packets", r.Sent, 1) },
			obey:  func() { honest.Store(true) },
			judge: d.judgeSender(source),
		}
	}
}

// judgeSender holds what the finding tells of the sender against the truth.
func (d duo) judgeSender(source string) func(reading, *Result) []string {
	return func(_ reading, s *Result) []string {
		mac, _, err := d.clientPort.mac()
		if err != nil {
			return []string{err.Error()}
		}
		doc := s.first
		wrong := expect(nil, "the source", doc.Source.IP, netip.MustParseAddr(source))
		wrong = expect(wrong, "the interface of arrival", doc.Observer.Ingress.Interface.Name, d.serverPort.name)
		if doc.Trapbpf.Route == nil {
			return append(wrong, "the finding tells nothing of the sender's hardware address")
		}
		return expect(wrong, "the sender's hardware address", doc.Trapbpf.Route.SourceMAC, mac.String())
	}
}

// broadcastNoise is what any shared wire carries: none of it is for this host
// alone, so none of it is lost to anybody where the host throws it away.
func broadcastNoise(n *network) stage {
	d := buildDuo(n, 0)
	n.sysctl(d.server, "1", "ipv4", "conf", "all", "rp_filter")
	return stage{
		traffic: d.sendFrames(20, noise, false),
		proof:   func(r reading) error { return atLeast("frames", r.Sent, 200) },
	}
}

func noise(_, from net.HardwareAddr) [][]byte {
	everyone := datagram{to: broadcastMAC(), from: from}
	dhcp, stranger, directed, mdns := everyone, everyone, everyone, everyone
	dhcp.source, dhcp.dest = netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("255.255.255.255")
	dhcp.sourcePort, dhcp.port = 68, 67
	// A second subnet on the same wire.
	stranger.source, stranger.dest = netip.MustParseAddr("192.168.77.5"), netip.MustParseAddr("255.255.255.255")
	stranger.sourcePort, stranger.port = 1900, 1900
	directed.source, directed.dest = netip.MustParseAddr("192.168.77.5"), netip.MustParseAddr("10.62.0.255")
	directed.sourcePort, directed.port = 137, 137
	mdns.to = net.HardwareAddr{0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}
	mdns.source, mdns.dest = netip.MustParseAddr("169.254.7.7"), netip.MustParseAddr("224.0.0.251")
	mdns.sourcePort, mdns.port = 5353, 5353
	arp := arpRequest(from, netip.MustParseAddr("192.168.77.5"), netip.MustParseAddr(duoServer))
	var frames [][]byte
	for _, d := range []datagram{dhcp, stranger, directed, mdns} {
		frames = append(frames, d.frame([]byte("noise")))
	}
	return append(frames, arp)
}

// sendFrames sends what make gives, rate times a second, from the client's wire.
// Bad says that the first frame is already the symptom.
func (d duo) sendFrames(rate int, frames func(to, from net.HardwareAddr) [][]byte, bad bool) job {
	return func(ctx context.Context, m *meter) error {
		to, _, err := d.serverPort.mac()
		if err != nil {
			return err
		}
		from, _, err := d.clientPort.mac()
		if err != nil {
			return err
		}
		wire, err := d.clientPort.tap()
		if err != nil {
			return err
		}
		defer wire.close()
		pace(ctx, rate, rate*300, func() {
			if bad {
				m.strike()
			}
			for _, frame := range frames(to, from) {
				if wire.send(frame) == nil {
					m.send(1)
				}
			}
		})
		return nil
	}
}
