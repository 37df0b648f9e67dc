// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package hook

import "slices"

// Table gives every row, in the order in which they are attached: a drop finds its
// reverse lookup only if fib stands first.
func Table() []Row {
	return slices.Concat(packets(), sockets(), names(), sizes())
}

// packets are the rows that see packets routed and dropped.
func packets() []Row {
	return []Row{
		{
			Name: "fib_table_lookup", Sight: SightFib, Object: loadFib, Since: "5.8",
			Rungs: []Rung{
				{RungTracepointBTF, []string{fibProgTbFibLookup4}},
				{RungTracepointRaw, []string{fibProgTbFibLookup4Raw}},
			},
		},
		{
			Name: "fib6_table_lookup", Sight: SightFib, Object: loadFib, Since: "5.8",
			Rungs: []Rung{
				{RungTracepointBTF, []string{fibProgTbFibLookup6}},
				{RungTracepointRaw, []string{fibProgTbFibLookup6Raw}},
			},
		},
		{
			Name: "kfree_skb", Sight: SightDrop, Object: loadDrop, Since: "5.8",
			Rungs: []Rung{
				{RungTracepointBTF, []string{dropProgTbDropPacket}},
				{RungTracepointRaw, []string{dropProgTbDropPacketRaw}},
				{RungTracepoint, []string{dropProgTbDropPacketClassic}},
			},
		},
	}
}

// sockets are the rows that see ports asked for, held and given back.
func sockets() []Row {
	return []Row{
		{
			Name: "inet_sock_set_state", Sight: SightTCP, Object: loadTcp, Since: "5.8",
			Rungs: []Rung{
				{RungTracepointBTF, []string{tcpProgTbTcpState}},
				{RungTracepointRaw, []string{tcpProgTbTcpStateRaw}},
				{RungTracepoint, []string{tcpProgTbTcpStateClassic}},
			},
		},
		{
			Name: "inet_csk_get_port", Sight: SightBind, Object: loadBind, Since: "5.8",
			Rungs: []Rung{
				{RungFexit, []string{bindProgTbBindPort}},
				{RungKretprobe, []string{bindProgTbBindPortIn, bindProgTbBindPortOut}},
				{RungTracepoint, []string{bindProgTbBindCall, bindProgTbBindResult}},
			},
		},
		{
			Name: "iter/tcp", Sight: SightTimewait, Object: loadTimewait, Since: "5.8",
			Rungs: []Rung{
				{RungIterator, []string{timewaitProgTbTimewaitSocket}},
				{RungDiag, nil},
			},
		},
	}
}

// names are the rows that see names asked for, and the addresses dialled after.
func names() []Row {
	return []Row{
		{
			Name: "dns_packet", Sight: SightDNS, Object: loadDns, Since: "5.8",
			Rungs: []Rung{
				{RungCgroup, []string{dnsProgTbDnsSent, dnsProgTbDnsReceived}},
				{RungTracepointBTF, []string{dnsProgTbDnsQueued, dnsProgTbDnsArrived}},
			},
		},
		{
			Name: "connect", Sight: SightDial, Object: loadDial, Since: "5.8",
			Rungs: []Rung{
				{RungCgroup, []string{dialProgTbDialConnect4, dialProgTbDialConnect6}},
				{RungTracepointBTF, []string{dialProgTbDialState}},
			},
		},
	}
}

// sizes are the rows that see packets too big for their path.
func sizes() []Row {
	return []Row{
		{
			Name: "tcp_retransmit_skb", Sight: SightRetrans, Object: loadRetrans, Since: "5.8",
			Rungs: []Rung{
				{RungTracepointBTF, []string{retransProgTbRetransSegment}},
				{RungTracepointRaw, []string{retransProgTbRetransSegmentRaw}},
			},
		},
		{
			Name: "iter/tcp sweep", Sight: SightSweep, Object: loadSweep, Since: "5.9",
			Rungs: []Rung{
				{RungIterator, []string{sweepProgTbSweepSocket}},
			},
		},
		{
			Name: "icmp_rcv", Sight: SightICMP, Object: loadIcmp, Since: "5.8",
			Rungs: []Rung{
				{RungFentry, []string{icmpProgTbIcmpReceived, icmpProgTbIcmpReceived6}},
				{RungKprobe, []string{icmpProgTbIcmpReceivedProbe, icmpProgTbIcmpReceived6Probe}},
				{RungTracepointBTF, []string{icmpProgTbIcmpConsumed, icmpProgTbIcmpDropped}},
			},
		},
		{
			Name: "icmp_send", Sight: SightICMPSent, Object: loadIcmpsent, Since: "5.8",
			Rungs: []Rung{
				{RungTracepointBTF, []string{icmpsentProgTbIcmpSent}},
				{RungKprobe, []string{icmpsentProgTbIcmpAskedProbe}},
			},
		},
		{
			Name: "icmp6_send", Sight: SightICMPSent, Object: loadIcmpsent, Since: "5.8",
			Rungs: []Rung{
				{RungKprobe, []string{icmpsentProgTbIcmpAsked6Probe}},
				{RungTracepointBTF, []string{icmpsentProgTbIcmpRouted6, icmpsentProgTbIcmpAnswered6}},
			},
		},
		{
			Name: "inet_sk_error_report", Sight: SightRefusal, Object: loadRefusal, Since: "5.8",
			Rungs: []Rung{
				{RungTracepointBTF, []string{refusalProgTbRefusalTold}},
				{RungTracepointRaw, []string{refusalProgTbRefusalToldRaw}},
				{RungFentry, []string{refusalProgTbRefusalReported}},
				{RungKprobe, []string{refusalProgTbRefusalReportedProbe}},
			},
		},
	}
}
