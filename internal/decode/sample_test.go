// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"net/netip"
	"unsafe"

	"github.com/trapbpf/trapbpf/internal/wire"
)

// raw gives a wire struct as the ring brings it.
func raw[T any](w T) []byte {
	made := make([]byte, unsafe.Sizeof(w))
	copy(made, unsafe.Slice((*byte)(unsafe.Pointer(&w)), unsafe.Sizeof(w)))
	return made
}

// on gives an address as the wire carries it.
func on(text string) [16]byte { return netip.MustParseAddr(text).As16() }

// named gives a name as the wire carries it.
func named(text string) (n [16]uint8) {
	copy(n[:], text)
	return n
}

func header(kind uint32) wire.Header {
	return wire.Header{Time: 123456789, Kind: kind, Netns: 4026531840}
}

func owner() wire.Owner { return wire.Owner{Cgroup: 77, Pid: 4242, Comm: named("curl")} }

func dropSample() wire.Drop {
	return wire.Drop{
		Header: header(wire.KindDrop),
		Packet: wire.Packet{
			Source: on("10.1.2.3"), Destination: on("10.4.5.6"), SourcePort: 443, DestinationPort: 50000,
			Length: 1500, Sequence: 99, SegmentSize: 1448, Family: 4, Protocol: 6, Ttl: 61, TcpFlags: 0x12,
		},
		Reverse: wire.Lookup{
			Source: on("10.4.5.6"), Destination: on("10.1.2.3"), Iface: named("eth1"), Ifindex: 3, Table: 254, Mark: 5, Family: 4,
		},
		Location: 0xffffffff81000000, Count: 17, Reason: 16, Ifindex: 2, DeviceMtu: 1500, EtherType: 0x0800,
		Type: 1, Conntrack: wire.ConntrackPresent, Iface: named("eth0"), SourceMac: [6]uint8{2, 0, 0, 0, 0, 1},
		OutIfindex: 4, OutMtu: 1400, OutIface: named("tun0"),
	}
}

func failureSample() wire.Failure {
	return wire.Failure{
		Header: header(wire.KindFailure), Owner: owner(), Count: 9,
		Source: on("10.1.2.3"), Destination: on("10.4.5.6"), Port: 5432, Op: wire.OpConnect,
	}
}

// names are those that a kernel might tell.
func names() Names {
	return Names{
		Reason: func(uint32) string { return "IP_RPFILTER" },
		Symbol: func(uint64) string { return "ip_rcv_finish_core" },
	}
}
