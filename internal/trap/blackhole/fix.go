// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package blackhole

import (
	"fmt"
	"net/netip"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// fixPath makes this host send no larger packets to the peer than surely pass. The
// route's MTU works at once, for connections that are stuck, too: their next resend
// is cut to it.
func fixPath(path *flow.Path, facts *flow.Facts, f *finding.Finding) {
	place := trap.Where(facts, path.Key.Netns)
	mtu := trap.SafeMTU(path)
	if route, undo, ok := trap.PathRoute(path, mtu); ok {
		f.Fix = append(f.Fix, place.Do(route,
			fmt.Sprintf("packets to %s get at most %d bytes, whichever program sends them", path.Key.Peer, mtu),
			"somewhat more packets for the same data; every other peer keeps its size"))
		f.Undo = append(f.Undo, place.Do(undo, "as it was", ""))
		f.Persistent = append(f.Persistent, place.KeepRoute(route)...)
	}
	fixProbing(place, path, f)
	fixLink(place, path, mtu, f)
	f.Fix = append(f.Fix, trap.Note("the cure at its root: have the routers and firewalls on the way let ICMP \"fragmentation needed\" (IPv4 type 3 code 4) and \"packet too big\" (ICMPv6 type 2) pass, or clamp the MSS there"))
	verifyPath(place, path, mtu, f)
}

// fixProbing offers Linux's own mitigation, which finds a size that passes at the
// cost of three time-outs a connection.
func fixProbing(place trap.Place, path *flow.Path, f *finding.Finding) {
	if path.Facts == nil || path.Facts.MTUProbing != 0 {
		return
	}
	op := finding.Sysctl{Key: "net.ipv4.tcp_mtu_probing", Value: "1"}
	f.Fix = append(f.Fix, place.Do(op,
		"a mitigation for every path and both families: after three time-outs the kernel shrinks a connection's segments itself",
		"each connection still stalls for some seconds; losses of other kinds shrink segments, too"))
	f.Undo = append(f.Undo, place.Do(finding.Sysctl{Key: op.Key, Value: "0"}, "as it was", ""))
	f.Persistent = append(f.Persistent, place.Keep("mtu-probing", op)...)
}

// fixLink lowers the device's own MTU: for a host all of whose paths are as narrow.
func fixLink(place trap.Place, path *flow.Path, mtu uint32, f *finding.Finding) {
	if path.Facts == nil || path.Facts.Link.Name == "" || path.Facts.Link.Type == "loopback" || path.Facts.Link.MTU <= mtu {
		return
	}
	dev := path.Facts.Link
	f.Fix = append(f.Fix, place.Do(finding.LinkOp{Dev: dev.Name, MTU: mtu},
		"or for every peer behind "+dev.Name+", where the whole link is the narrow one (VPN, PPPoE, cloud overlay)",
		"neighbours on the same link that send larger frames must agree"))
	f.Undo = append(f.Undo, place.Do(finding.LinkOp{Dev: dev.Name, MTU: dev.MTU}, "as it was", ""))
	if place.Own {
		f.Persistent = append(f.Persistent, keepLink(dev.Name, mtu)...)
	}
}

// keepLink gives the ways to hold a device's MTU over a reboot.
func keepLink(dev string, mtu uint32) []finding.Step {
	return []finding.Step{
		trap.Note("netplan: ethernets: {%s: {mtu: %d}}", dev, mtu),
		trap.Note("systemd-networkd, in the .network file of %s: [Link] MTUBytes=%d", dev, mtu),
		trap.Note("NetworkManager: nmcli connection modify NAME 802-3-ethernet.mtu %d", mtu),
	}
}

func verifyPath(place trap.Place, path *flow.Path, mtu uint32, f *finding.Finding) {
	peer := path.Key.Peer
	f.Verify = append(f.Verify,
		place.Look(fmt.Sprintf("must show mtu %d", mtu), "ip route get %s", peer),
		place.Look(fmt.Sprintf("must carry packets of %d bytes", mtu), "trapbpf probe mtu %s --max %s", peer, mtu),
		place.Look("the same by hand", "ping -c 3 -M do -s %s %s", pingSize(mtu, peer), peer),
		place.Look("retrans and backoff must be gone, bytes_acked must grow", "ss -tino dst %s", peer))
}

// pingSize is the payload of an echo request in a packet of mtu bytes.
func pingSize(mtu uint32, peer netip.Addr) uint32 {
	const echo = 8
	if peer.Is6() {
		return mtu - min(mtu, 40+echo)
	}
	return mtu - min(mtu, 20+echo)
}

// fixInbound makes the peer send smaller segments: it goes by the MSS that this host
// tells in its handshakes, which follows the MTU of the route.
func (g *group) fixInbound(path *flow.Path, facts *flow.Facts, f *finding.Finding) {
	place := trap.Where(facts, g.key.Netns)
	const mtu = 1280 // nothing of the path's other direction is known from here
	if route, undo, ok := trap.PathRoute(path, mtu); ok {
		f.Fix = append(f.Fix, place.Do(route,
			fmt.Sprintf("new connections tell %s to send at most %d bytes a segment", g.key.Peer, trap.MSS(mtu, g.key.Peer.Is6())),
			"connections that are stuck now stay so: close and open them again"))
		f.Undo = append(f.Undo, place.Do(undo, "as it was", ""))
		f.Persistent = append(f.Persistent, place.KeepRoute(route)...)
	}
	f.Fix = append(f.Fix, trap.Note("the cure at its root is at %s or on the way from it: its ICMP errors get lost there, or its own MTU is too large", g.key.Peer))
	f.Verify = append(f.Verify,
		place.Look("must show mtu 1280", "ip route get %s", g.key.Peer),
		place.Look("says up to which size answers come back", "trapbpf probe mtu %s", g.key.Peer),
		place.Look("rcv_ooopack must stand still, bytes_received must grow", "ss -tino dst %s", g.key.Peer))
}

// fixOverlay gives the tunnel the MTU that fits.
func (g *group) fixOverlay(path *flow.Path, facts *flow.Facts, f *finding.Finding) {
	place := trap.Where(facts, path.Key.Netns)
	tunnel, under := g.overlay.Link, g.overlay.Under
	fits := under.MTU - tunnel.Overhead
	if g.overlay.Route.MTU > fits { // a route's own MTU goes before its device's
		if route, undo, ok := trap.PathRoute(path, fits); ok {
			f.Fix = append(f.Fix, place.Do(route, fmt.Sprintf("the route promises no more than fits %s", under.Name), ""))
			f.Undo = append(f.Undo, place.Do(undo, "as it was", ""))
		}
	}
	f.Fix = append(f.Fix,
		place.Do(finding.LinkOp{Dev: tunnel.Name, MTU: fits},
			fmt.Sprintf("what enters %s fits %s with %d bytes of headers around it", tunnel.Name, under.Name, tunnel.Overhead), ""),
		place.Do(finding.LinkOp{Dev: under.Name, MTU: tunnel.MTU + tunnel.Overhead},
			"or make room underneath, where every switch and host of that network takes such frames", "frames larger than the network takes are lost without a word"))
	f.Undo = append(f.Undo, place.Do(finding.LinkOp{Dev: tunnel.Name, MTU: tunnel.MTU}, "as it was", ""))
	if place.Own {
		f.Persistent = append(f.Persistent, keepLink(tunnel.Name, fits)...)
	}
	f.Persistent = append(f.Persistent, overlays(fits, under.MTU)...)
	verifyPath(place, path, fits, f)
}

// overlays gives the settings of those who make a node's tunnels: what is set on a
// device by hand they would set back. Calico is told what fits inside; Flannel and
// Cilium are told what the network under them takes, 0 where that is not known here,
// and subtract their headers themselves.
func overlays(fits, under uint32) []finding.Step {
	steps := []finding.Step{
		trap.Note("Calico (operator): kubectl patch installation default --type merge -p '{\"spec\":{\"calicoNetwork\":{\"mtu\":%d}}}'; without it: veth_mtu in the ConfigMap calico-config", fits),
	}
	if under == 0 {
		return steps
	}
	return append(steps, trap.Note("Flannel: net-conf.json Backend MTU %d; Cilium: mtu: %d in its ConfigMap (both subtract the headers themselves); then restart the agents and the pods", under, under))
}

// fix makes the device take what is sent through it, or has the senders send less.
func (l *link) fix(facts *flow.Facts, f *finding.Finding) {
	place := trap.Where(facts, l.key.netns)
	dev, mtu := l.key.iface, l.first.DeviceMTU
	if farEnd(&l.first) {
		l.fixFar(place, f)
		return
	}
	f.Fix = append(f.Fix,
		place.Do(finding.LinkOp{Dev: dev, MTU: l.largest},
			"takes the packets that were dropped", "only where what is behind "+dev+" takes them, too"),
		trap.Note("or, where %s is narrow for a reason: set MTU %d on every host that sends through it, or clamp the MSS to %d on the router before it", dev, mtu, trap.MSS(mtu, l.first.Packet.Destination.Addr().Is6())))
	f.Undo = append(f.Undo, place.Do(finding.LinkOp{Dev: dev, MTU: mtu}, "as it was", ""))
	if place.Own {
		f.Persistent = append(f.Persistent, keepLink(dev, l.largest)...)
	}
	f.Verify = append(f.Verify,
		place.Look("must show the new mtu", "ip link show dev %s", dev),
		place.Look("dropped must stand still", "ip -s link show dev %s", dev))
}

// fixFar makes both ends of a virtual cable agree. With the smaller MTU on this end a
// router tells its senders what fits; a bridge has nobody to tell.
func (l *link) fixFar(place trap.Place, f *finding.Finding) {
	dev, far := l.key.iface, l.first.OutIface
	f.Fix = append(f.Fix,
		place.Do(finding.LinkOp{Dev: dev, MTU: limit(&l.first)},
			"this host then knows what fits, and tells senders by ICMP", "no help where "+dev+" is the port of a bridge: raise the far end instead"),
		trap.Note("or, in the namespace of the far end: ip link set dev %s mtu %d", finding.Quote(far), l.first.DeviceMTU))
	f.Undo = append(f.Undo, place.Do(finding.LinkOp{Dev: dev, MTU: l.first.DeviceMTU}, "as it was", ""))
	f.Persistent = append(f.Persistent, overlays(limit(&l.first), 0)...)
	f.Verify = append(f.Verify,
		place.Look("must show the same mtu at both ends", "ip link show dev %s", dev),
		place.Look("dropped must stand still", "ip -s link show dev %s", dev))
}
