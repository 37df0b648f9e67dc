// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"net/netip"

	"github.com/trapbpf/trapbpf/pkg/event"
	"golang.org/x/sys/unix"
)

// Header sizes in bytes of what a tunnel adds.
const (
	headIPv4 = 20
	headIPv6 = 40
	headUDP  = 8
	headEth  = 14
	headGRE  = 4 // and 4 more for each of key, checksum and sequence number
)

// tunnel is what a tunnel's IFLA_INFO_DATA tells.
type tunnel struct {
	kind   string
	remote netip.Addr
	lower  uint32
	six    bool // its outer packets are IPv6
	extra  uint32
}

// Attribute numbers of linux/if_link.h and linux/if_tunnel.h.
const (
	vxlanGroup, vxlanLink, vxlanLocal6, vxlanGroup6 = 2, 3, 17, 16
	geneveRemote, geneveRemote6                     = 2, 7
	iptunLink, iptunRemote                          = 1, 3
	greLink, greOutFlags, greRemote                 = 1, 5, 7
)

// take reads one attribute of the tunnel's data.
func (t *tunnel) take(kind uint16, value []byte) {
	switch t.kind {
	case "vxlan":
		t.takeVXLAN(kind, value)
	case "geneve":
		if kind == geneveRemote || kind == geneveRemote6 {
			t.reach(value)
		}
	case "ipip", "sit", "ip6tnl":
		switch kind {
		case iptunLink:
			t.lower = number(value)
		case iptunRemote:
			t.reach(value)
		}
	case "gre", "gretap", "ip6gre", "ip6gretap":
		t.takeGRE(kind, value)
	}
}

func (t *tunnel) takeVXLAN(kind uint16, value []byte) {
	switch kind {
	case vxlanLink:
		t.lower = number(value)
	case vxlanGroup, vxlanGroup6:
		t.reach(value)
	case vxlanLocal6:
		t.six = true
	}
}

func (t *tunnel) takeGRE(kind uint16, value []byte) {
	switch kind {
	case greLink:
		t.lower = number(value)
	case greRemote:
		t.reach(value)
	case greOutFlags:
		if len(value) >= 2 {
			t.extra = greOptions(binary.BigEndian.Uint16(value))
		}
	}
}

// greOptions sizes the optional fields of a GRE header (RFC 2890).
func greOptions(flags uint16) uint32 {
	const checksum, key, sequence = 0x8000, 0x2000, 0x1000
	var size uint32
	for _, bit := range []uint16{checksum, key, sequence} {
		if flags&bit != 0 {
			size += 4
		}
	}
	return size
}

// reach notes the other end, where there is one.
func (t *tunnel) reach(value []byte) {
	a := address(value)
	t.six = t.six || a.Is6()
	if a.IsValid() && !a.IsUnspecified() {
		t.remote = a
	}
}

// overhead is how many bytes the tunnel puts around each packet: for one that
// carries Ethernet frames the inner frame's header counts, too.
func (t *tunnel) overhead() uint32 {
	outer := uint32(headIPv4)
	if t.six || t.kind == "ip6tnl" || t.kind == "ip6gre" || t.kind == "ip6gretap" {
		outer = headIPv6
	}
	switch t.kind {
	case "vxlan", "geneve":
		return outer + headUDP + 8 + headEth
	case "ipip", "sit", "ip6tnl":
		return outer
	case "gre", "ip6gre":
		return outer + headGRE + t.extra
	case "gretap", "ip6gretap":
		return outer + headGRE + t.extra + headEth
	case "wireguard":
		// Type, receiver, counter and authenticator: 32 bytes; the outer packets may be
		// of either family, which only its peers' endpoints tell: the smaller.
		return headIPv4 + headUDP + 32
	default:
		return 0
	}
}

// linkAt gives a device as path MTUs see it, nothing where there is none.
func linkAt(index uint32) event.Link {
	if index == 0 {
		return event.Link{}
	}
	answer, err := ask(unix.RTM_GETLINK, linkRequest(index)...)
	if err != nil {
		return event.Link{}
	}
	return parsePathLink(answer)
}

func parsePathLink(msg []byte) event.Link {
	plain, ok := parseLink(msg)
	if !ok {
		return event.Link{}
	}
	link := event.Link{Index: plain.Index, Name: plain.Name, Type: plain.Type, MTU: plain.MTU}
	t := tunnel{kind: plain.Type}
	lower, foreign := uint32(0), false
	for kind, value := range attributes(msg[unix.SizeofIfInfomsg:]) {
		switch kind {
		case unix.IFLA_LINK:
			lower = number(value)
		case unix.IFLA_LINK_NETNSID:
			foreign = true
		case unix.IFLA_LINKINFO:
			t.takeInfo(value)
		}
	}
	link.Overhead, link.Remote, link.Lower = t.overhead(), t.remote, t.lower
	if link.Lower == 0 && !foreign {
		link.Lower = lower
	}
	return link
}

func (t *tunnel) takeInfo(info []byte) {
	for kind, value := range attributes(info) {
		if kind == unix.IFLA_INFO_DATA {
			for kind, value := range attributes(value) {
				t.take(kind, value)
			}
		}
	}
}

// underOf finds the device that a tunnel's outer packets leave by: the one on the way
// to its other end, else the one it was tied to, else the default route's.
func underOf(link event.Link) event.Link {
	if link.Overhead == 0 {
		return event.Link{}
	}
	if link.Remote.IsValid() {
		if taken, err := lookup(link.Remote, nil, unix.RTM_F_LOOKUP_TABLE); err == nil {
			return linkAt(taken.first.index)
		}
	}
	if link.Lower != 0 && link.Lower != link.Index {
		return linkAt(link.Lower)
	}
	all, err := defaults(linkName)
	if err != nil || len(all) == 0 {
		return event.Link{}
	}
	index, err := linkIndex(all[0].Iface)
	if err != nil || index == link.Index {
		return event.Link{}
	}
	return linkAt(index)
}
