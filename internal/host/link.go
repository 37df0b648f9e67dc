// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"net/netip"

	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// skipStats is RTEXT_FILTER_SKIP_STATS: counters make up most of a link's message
// and most of what it costs the kernel.
const skipStats = 1 << 3

// Indices into IFLA_INET_CONF, one less than IPV4_DEVCONF_* (uapi/linux/ip.h). The
// settings come with the link, so that no interface name is made into a path and
// five hundred interfaces need no two thousand files.
const (
	confRPFilter     = 8 - 1
	confAcceptLocal  = 23 - 1
	confSrcValidMark = 24 - 1
	confRouteLocal   = 26 - 1
)

const inetConf = 1 // IFLA_INET_CONF, inside IFLA_AF_SPEC's AF_INET

// links implements World.Links for the calling thread's namespace.
func links() ([]event.Interface, error) {
	found, err := dump(unix.RTM_GETLINK, linkRequest(0), parseLink)
	if err != nil {
		return nil, err
	}
	body := []nl.NetlinkRequestData{nl.NewIfInfomsg(unix.AF_UNSPEC)}
	held, err := dump(unix.RTM_GETADDR, body, parseAddress)
	if err != nil {
		return nil, err
	}
	at := make(map[uint32]int, len(found))
	for i := range found {
		at[found[i].Index] = i
	}
	for _, one := range held {
		if i, ok := at[one.index]; ok {
			found[i].Prefixes = append(found[i].Prefixes, one.prefix)
		}
	}
	return found, nil
}

// linkName gives an interface's name, "" where there is none by that index.
func linkName(index uint32) string {
	answer, err := ask(unix.RTM_GETLINK, linkRequest(index)...)
	if err != nil {
		return ""
	}
	link, _ := parseLink(answer)
	return link.Name
}

func linkRequest(index uint32) []nl.NetlinkRequestData {
	body := nl.NewIfInfomsg(unix.AF_UNSPEC)
	body.Index = int32(index)
	return []nl.NetlinkRequestData{body, nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStats))}
}

// parseLink reads an RTM_NEWLINK (rtnetlink(7)).
func parseLink(msg []byte) (event.Interface, bool) {
	if len(msg) < unix.SizeofIfInfomsg {
		return event.Interface{}, false
	}
	link := event.Interface{
		Index: binary.NativeEndian.Uint32(msg[4:]),
		Up:    binary.NativeEndian.Uint32(msg[8:])&unix.IFF_UP != 0,
		Type:  "device",
	}
	if binary.NativeEndian.Uint16(msg[2:]) == unix.ARPHRD_LOOPBACK {
		link.Type = "loopback"
	}
	for kind, value := range attributes(msg[unix.SizeofIfInfomsg:]) {
		switch kind {
		case unix.IFLA_IFNAME:
			link.Name = text(value)
		case unix.IFLA_MTU:
			link.MTU = number(value)
		case unix.IFLA_LINKINFO:
			parseLinkInfo(value, &link)
		case unix.IFLA_AF_SPEC:
			parseInetConf(value, &link)
		}
	}
	return link, link.Name != ""
}

func parseLinkInfo(info []byte, link *event.Interface) {
	for kind, value := range attributes(info) {
		if kind == unix.IFLA_INFO_KIND {
			link.Type = text(value)
		}
	}
}

func parseInetConf(families []byte, link *event.Interface) {
	for family, settings := range attributes(families) {
		if family != unix.AF_INET {
			continue
		}
		for kind, values := range attributes(settings) {
			if kind != inetConf {
				continue
			}
			link.RPFilter = int(setting(values, confRPFilter))
			link.AcceptLocal = setting(values, confAcceptLocal) != 0
			link.SrcValidMark = setting(values, confSrcValidMark) != 0
			link.RouteLocal = setting(values, confRouteLocal) != 0
		}
	}
}

func setting(values []byte, index int) uint32 {
	if len(values) < 4*index {
		return 0
	}
	return number(values[4*index:])
}

type addressOf struct {
	index  uint32
	prefix netip.Prefix
}

// parseAddress reads an RTM_NEWADDR. On a point-to-point link IFA_ADDRESS is the
// peer's and IFA_LOCAL our own.
func parseAddress(msg []byte) (addressOf, bool) {
	if len(msg) < unix.SizeofIfAddrmsg {
		return addressOf{}, false
	}
	bits := msg[1]
	found := addressOf{index: binary.NativeEndian.Uint32(msg[4:])}
	for kind, value := range attributes(msg[unix.SizeofIfAddrmsg:]) {
		if kind == unix.IFA_LOCAL || kind == unix.IFA_ADDRESS && !found.prefix.IsValid() {
			found.prefix = prefix(value, bits)
		}
	}
	return found, found.prefix.IsValid()
}
