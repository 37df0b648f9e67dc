// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The kernel that tests run on may lack most kinds of tunnel: their messages are made
// here as rtnetlink sends them.
func TestOverheadOfEachKindOfTunnel(t *testing.T) {
	four, six := netip.MustParseAddr("192.0.2.1").AsSlice(), netip.MustParseAddr("2001:db8::1").AsSlice()
	keyed := binary.BigEndian.AppendUint16(nil, 0x2000)             // GRE_KEY
	everything := binary.BigEndian.AppendUint16(nil, 0x8000|0x3000) // checksum, key, sequence
	cases := []struct {
		name, kind string
		data       map[int][]byte
		want       uint32
	}{
		{"VXLAN", "vxlan", map[int][]byte{vxlanGroup: four}, 50},
		{"VXLAN over IPv6", "vxlan", map[int][]byte{vxlanGroup6: six}, 70},
		{"GENEVE", "geneve", map[int][]byte{geneveRemote: four}, 50},
		{"GENEVE over IPv6", "geneve", map[int][]byte{geneveRemote6: six}, 70},
		{"IPIP", "ipip", map[int][]byte{iptunRemote: four}, 20},
		{"IPv6 in IPv4", "sit", map[int][]byte{iptunRemote: four}, 20},
		{"in IPv6", "ip6tnl", map[int][]byte{iptunRemote: six}, 40},
		{"GRE", "gre", map[int][]byte{greRemote: four}, 24},
		{"GRE with a key", "gre", map[int][]byte{greRemote: four, greOutFlags: keyed}, 28},
		{"GRE with everything", "gre", map[int][]byte{greRemote: four, greOutFlags: everything}, 36},
		{"Ethernet in GRE", "gretap", map[int][]byte{greRemote: four}, 38},
		{"GRE over IPv6", "ip6gre", map[int][]byte{greRemote: six}, 44},
		{"Ethernet in GRE over IPv6", "ip6gretap", map[int][]byte{greRemote: six}, 58},
		{"WireGuard", "wireguard", nil, 60},
		{"no tunnel", "veth", nil, 0},
		{"a VRF", "vrf", nil, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
			info.AddRtAttr(unix.IFLA_INFO_KIND, nl.ZeroTerminated(c.kind))
			data := info.AddRtAttr(unix.IFLA_INFO_DATA, nil)
			for kind, value := range c.data {
				data.AddRtAttr(kind, value)
			}
			header := nl.NewIfInfomsg(unix.AF_UNSPEC)
			header.Index = 7
			message := append(header.Serialize(), nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated("t0")).Serialize()...)
			link := parsePathLink(append(message, info.Serialize()...))
			if link.Overhead != c.want || link.Type != c.kind {
				t.Errorf("%s: overhead %d, want %d", link.Type, link.Overhead, c.want)
			}
		})
	}
}
