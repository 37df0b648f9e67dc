// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package hook

// Table gives every row, in the order in which they are attached: a drop finds its
// reverse lookup only if fib stands first.
func Table() []Row {
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
			Name: "kfree_skb", Sight: SightDrop, Object: loadDrop, Since: "5.17",
			Needs: []Need{NeedReasons},
			Rungs: []Rung{
				{RungTracepointBTF, []string{dropProgTbDropPacket}},
				{RungTracepointRaw, []string{dropProgTbDropPacketRaw}},
				{RungTracepoint, []string{dropProgTbDropPacketClassic}},
			},
		},
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
			Name: "iter/tcp", Sight: SightTimewait, Object: loadTimewait, Since: "5.9",
			Rungs: []Rung{
				{RungIterator, []string{timewaitProgTbTimewaitSocket}},
			},
		},
	}
}
