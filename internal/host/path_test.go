// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// linkMessage is an RTM_NEWLINK of a tunnel.
func linkMessage(kind string, data ...*nl.RtAttr) []byte {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(unix.IFLA_INFO_KIND, []byte(kind+"\x00"))
	inner := info.AddRtAttr(unix.IFLA_INFO_DATA, nil)
	for _, one := range data {
		inner.AddChild(one)
	}
	body := nl.NewIfInfomsg(unix.AF_UNSPEC)
	body.Index = 9
	return message(body, nl.NewRtAttr(unix.IFLA_IFNAME, []byte("tun0\x00")), nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(1500)), info)
}

func TestTunnelsTellTheirOverhead(t *testing.T) {
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	at := func(kind uint16, a netip.Addr) *nl.RtAttr { return nl.NewRtAttr(int(kind), a.AsSlice()) }
	for name, test := range map[string]struct {
		msg    []byte
		want   uint32
		remote netip.Addr
	}{
		"vxlan":          {linkMessage("vxlan", at(vxlanGroup, four)), 50, four},
		"vxlan over v6":  {linkMessage("vxlan", at(vxlanGroup6, six)), 70, six},
		"geneve":         {linkMessage("geneve", at(geneveRemote, four)), 50, four},
		"ipip":           {linkMessage("ipip", at(iptunRemote, four)), 20, four},
		"ip6tnl":         {linkMessage("ip6tnl", at(iptunRemote, six)), 40, six},
		"gre":            {linkMessage("gre", at(greRemote, four)), 24, four},
		"gre with a key": {linkMessage("gre", at(greRemote, four), nl.NewRtAttr(greOutFlags, []byte{0x20, 0})), 28, four},
		"gretap":         {linkMessage("gretap", at(greRemote, four)), 38, four},
		"wireguard":      {linkMessage("wireguard"), 60, netip.Addr{}},
		"no tunnel":      {linkMessage("veth"), 0, netip.Addr{}},
	} {
		link := parsePathLink(test.msg)
		if link.Overhead != test.want || link.Remote != test.remote || link.MTU != 1500 {
			t.Errorf("%s: %+v, want %d bytes to %s", name, link, test.want, test.remote)
		}
	}
}

func FuzzLinksAreReadWithinTheirBounds(f *testing.F) {
	f.Add(linkMessage("vxlan", nl.NewRtAttr(vxlanGroup, []byte{192, 0, 2, 1})))
	f.Add(linkMessage("gre", nl.NewRtAttr(greOutFlags, []byte{0x20})))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if link := parsePathLink(msg); link.Overhead > headIPv6+headGRE+12+headEth+headUDP+32 {
			t.Errorf("a tunnel that adds %d bytes", link.Overhead)
		}
	})
}

func TestPathTellsSettingsAndCounters(t *testing.T) {
	f := newFake()
	f.files[sysctlIPv4+"tcp_mtu_probing"] = "1\n"
	f.files[sysctlIPv4+"ip_no_pmtu_disc"] = "2\n"
	f.files[sysctlIPv4+"route/min_pmtu"] = "552\n"
	f.files[netstatPath] = "TcpExt: OutOfWindowIcmps LockDroppedIcmps\nTcpExt: 4 2\n"
	f.files[snmpPath] = "Icmp: InMsgs InDestUnreachs\nIcmp: 9 3\n"
	world := f.world()
	world.Way = func(to, _ netip.Addr) (event.Path, error) {
		return event.Path{Link: event.Link{Name: "eth0", MTU: 1500}, Learned: 1400, Expires: time.Minute}, nil
	}
	world.Filters = func() ([]event.Filter, error) { return []event.Filter{{Family: "ip", Table: "f", Chain: "in"}}, nil }
	to := netip.MustParseAddr("192.0.2.7")
	answer, err := New(world).Answer(context.Background(), event.Want{Of: event.KindPath, Netns: blueInode, To: to})
	if err != nil {
		t.Fatal(err)
	}
	p := answer.(*event.Path)
	if p.Peer != to || p.MTUProbing != 1 || p.NoPMTUDisc != 2 || p.MinPMTU != 552 || p.Learned != 1400 {
		t.Errorf("settings %+v", p)
	}
	if p.OutOfWindow != 4 || p.LockDropped != 2 || p.UnreachableIn != 3 || len(p.Filters) != 1 {
		t.Errorf("counters %+v", p)
	}
}

func TestPathWithoutARouteSaysSo(t *testing.T) {
	world := newFake().world()
	world.Way = func(netip.Addr, netip.Addr) (event.Path, error) { return event.Path{}, unix.ENETUNREACH }
	world.Filters = func() ([]event.Filter, error) { return nil, errors.New("no nftables here") }
	answer, err := New(world).Answer(context.Background(), event.Want{Of: event.KindPath, Netns: blueInode, To: netip.MustParseAddr("192.0.2.7")})
	if err != nil {
		t.Fatal(err)
	}
	if p := answer.(*event.Path); p.Error == "" || p.Filters != nil {
		t.Errorf("told %+v", p)
	}
}

func TestSweepIsSparedWhileNothingComesOutOfOrder(t *testing.T) {
	f := newFake()
	f.files[netstatPath] = "TcpExt: TCPOFOQueue\nTcpExt: 5\n"
	world := f.world()
	swept, row := 0, event.Connection{}
	world.Connections = func(string, event.Netns, netip.Addr) (*event.Connections, error) {
		swept++
		return &event.Connections{Rows: []event.Connection{row}}, nil
	}
	h := New(world)
	look := func(peer string) {
		w := event.Want{Of: event.KindConnections, Netns: blueInode}
		if peer != "" {
			w.To = netip.MustParseAddr(peer)
		}
		_, _ = h.Answer(context.Background(), w) // that there is nothing to sweep is an error
	}
	for _, step := range []struct {
		what   string
		peer   string
		queued string
		hole   uint32
		want   int
	}{
		{"the first look", "", "5", 0, 1},
		{"nothing new", "", "5", 0, 1},
		{"a peer is asked for", "192.0.2.7", "5", 0, 2},
		{"something came out of order", "", "6", 900, 3},
		{"it is still missing", "", "6", 0, 4},
		{"it has come", "", "6", 0, 4},
	} {
		f.files[netstatPath] = "TcpExt: TCPOFOQueue\nTcpExt: " + step.queued + "\n"
		row.Hole = step.hole
		look(step.peer)
		if swept != step.want {
			t.Errorf("%s: %d sweeps, want %d", step.what, swept, step.want)
		}
	}
}

const narrow = `
link add e0 type veth peer name e1
link set e0 up
link set e1 up
addr add 10.9.1.1/24 dev e0
route add 192.0.2.0/24 via 10.9.1.2 dev e0 mtu lock 1400
route add 198.51.100.7/32 via 10.9.1.2 dev e0 mtu 1300
link add vx0 type vxlan id 7 remote 192.0.2.1 dstport 4789
link set vx0 mtu 1500 up
addr add 10.8.0.1/24 dev vx0
`

func TestPathIsReadFromTheRunningKernel(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	script(t, ns, narrow)
	ns.Run(t, "nft", "add table inet fw; add chain inet fw in { type filter hook input priority 0; policy drop; }; "+
		"add chain inet fw out { type filter hook output priority 0; }; add rule inet fw out meta l4proto icmp drop; "+
		"add chain inet fw fine { type filter hook forward priority 0; }; add rule inet fw fine tcp dport 22 drop")
	h := New(Real())
	ask := func(to string) *event.Path {
		return realAnswer[*event.Path](t, h, event.Want{Of: event.KindPath, Netns: ns.ID, To: netip.MustParseAddr(to)})
	}
	p := ask("192.0.2.9")
	if !p.RouteLocked || p.Route.MTU != 1400 || p.Route.Gateway.String() != "10.9.1.2" || p.Link.Name != "e0" || p.Learned != 0 {
		t.Errorf("locked route: %+v", p)
	}
	if p := ask("198.51.100.7"); p.RouteLocked || p.Route.MTU != 1300 || !p.Route.Destination.IsSingleIP() {
		t.Errorf("narrow route: %+v", p)
	}
	p = ask("10.8.0.2")
	if p.Link.Name != "vx0" || p.Link.Overhead != 50 || p.Under.Name != "e0" || p.Under.MTU != 1500 {
		t.Errorf("tunnel: %+v over %+v", p.Link, p.Under)
	}
	want := []event.Filter{
		{Family: "inet", Table: "fw", Chain: "in", Hook: "input", Policy: true},
		{Family: "inet", Table: "fw", Chain: "out", Hook: "output", ICMP: true},
	}
	if !slices.Equal(p.Filters, want) {
		t.Errorf("filters %+v", p.Filters)
	}
}
