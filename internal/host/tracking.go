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

// What ctnetlink's messages hold (linux/netfilter/nfnetlink_conntrack.h).
const (
	conntrackSubsystem = 1 << 8 // NFNL_SUBSYS_CTNETLINK
	conntrackGet       = conntrackSubsystem | 1
	conntrackStats     = conntrackSubsystem | 4 // IPCTNL_MSG_CT_GET_STATS_CPU

	ctaTupleOrig, ctaTupleReply, ctaStatus = 1, 2, 3
	ctaProtoInfo, ctaZone, ctaFilter       = 4, 18, 25
	ctaTupleIP, ctaTupleProto              = 1, 2
	ctaProtoNumber, ctaProtoPorts          = 1, 2
	ctaProtoTo                             = 3
	ctaInfoTCP, ctaTCPState                = 1, 1
	ctaStatsInvalid                        = 4
	ctaOrigFlags, ctaReplyFlags            = 1, 2
	// filterAddresses asks for an entry's source and destination to be compared.
	filterAddresses = 1<<0 | 1<<1

	seenReply = 1 << 1 // IPS_SEEN_REPLY
)

// tcpStates are enum tcp_conntrack (linux/netfilter/nf_conntrack_tcp.h).
var tcpStates = [...]string{
	"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
}

// tracked implements World.Tracked for the calling thread's namespace. The kernel is
// asked to compare the addresses itself (since 5.8; before, it gives the whole table,
// which costs about a microsecond an entry), once for each side that may have opened.
// IPv6's comparison is the wrong way round (ctnetlink_filter_match_tuple takes
// ipv6_addr_cmp's 0 for unequal, seen on 6.18): its table is always read whole.
func tracked(a, b netip.Addr) (rows []event.Tracked, whole bool, err error) {
	whole = true
	for _, pair := range [][2]netip.Addr{{a, b}, {b, a}} {
		if a == b && len(rows) > 0 {
			break
		}
		err = netfilter(conntrackGet, family(a), pairFilter(pair[0], pair[1]), func(msg []byte) bool {
			if row, ok := parseTracked(msg, pair[0], pair[1]); ok {
				rows = append(rows, row)
			}
			whole = len(rows) < event.TrackedRows
			return whole
		})
		if err != nil {
			return nil, false, err
		}
	}
	return rows, whole, nil
}

// invalids implements World.Invalids: how many packets of the calling thread's
// namespace connection tracking has called invalid, on all processors together.
func invalids() (sum uint64, err error) {
	err = netfilter(conntrackStats, unix.AF_UNSPEC, nil, func(msg []byte) bool {
		for kind, value := range attributes(body(msg)) {
			if kind == ctaStatsInvalid && len(value) >= 4 {
				sum += uint64(binary.BigEndian.Uint32(value))
			}
		}
		return true
	})
	return sum, err
}

// netfilter asks for a dump of a subsystem of netfilter.
func netfilter(kind int, family uint8, more []*nl.RtAttr, take func(msg []byte) bool) error {
	request := nl.NewNetlinkRequest(kind, unix.NLM_F_DUMP)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	for _, one := range more {
		request.AddData(one)
	}
	return request.ExecuteIter(unix.NETLINK_NETFILTER, 0, take)
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func pairFilter(source, destination netip.Addr) []*nl.RtAttr {
	if source.Is6() {
		return nil
	}
	const first = 1 // CTA_IP_V4_SRC, then DST
	tuple := nl.NewRtAttr(unix.NLA_F_NESTED|ctaTupleOrig, nil)
	addresses := tuple.AddRtAttr(unix.NLA_F_NESTED|ctaTupleIP, nil)
	addresses.AddRtAttr(first, source.AsSlice())
	addresses.AddRtAttr(first+1, destination.AsSlice())
	filter := nl.NewRtAttr(unix.NLA_F_NESTED|ctaFilter, nil)
	filter.AddRtAttr(ctaOrigFlags, nl.Uint32Attr(filterAddresses))
	filter.AddRtAttr(ctaReplyFlags, nl.Uint32Attr(0))
	return []*nl.RtAttr{tuple, filter}
}

// body is what follows a message's struct nfgenmsg.
func body(msg []byte) []byte {
	const header = 4
	return msg[min(header, len(msg)):]
}

// parseTracked reads an entry; false for one that is not TCP, or not of this pair.
func parseTracked(msg []byte, source, destination netip.Addr) (event.Tracked, bool) {
	var row event.Tracked
	var protocol uint8
	for kind, value := range attributes(body(msg)) {
		switch kind {
		case ctaTupleOrig:
			row.Source, row.Destination, protocol = parseTuple(value)
		case ctaStatus:
			row.Replied = len(value) >= 4 && binary.BigEndian.Uint32(value)&seenReply != 0
		case ctaProtoInfo:
			row.State = parseState(value)
		case ctaZone:
			if len(value) >= 2 {
				row.Zone = binary.BigEndian.Uint16(value)
			}
		}
	}
	return row, protocol == unix.IPPROTO_TCP && row.Source.Addr() == source && row.Destination.Addr() == destination
}

func parseTuple(tuple []byte) (source, destination netip.AddrPort, protocol uint8) {
	var addrs [2]netip.Addr
	var ports [2]uint16
	for kind, value := range attributes(tuple) {
		for part, data := range attributes(value) {
			switch {
			case kind == ctaTupleIP && part > 0: // V4 source, destination, V6 source, destination
				addrs[(part-1)%2] = address(data)
			case kind == ctaTupleProto && part == ctaProtoNumber && len(data) > 0:
				protocol = data[0]
			case kind == ctaTupleProto && part <= ctaProtoTo && len(data) >= 2:
				ports[part-ctaProtoPorts] = binary.BigEndian.Uint16(data)
			}
		}
	}
	return netip.AddrPortFrom(addrs[0], ports[0]), netip.AddrPortFrom(addrs[1], ports[1]), protocol
}

func parseState(info []byte) string {
	for kind, value := range attributes(info) {
		if kind != ctaInfoTCP {
			continue
		}
		for part, data := range attributes(value) {
			if part == ctaTCPState && len(data) > 0 && int(data[0]) < len(tcpStates) {
				return tcpStates[data[0]]
			}
		}
	}
	return ""
}
