// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// equal lets cmp see into netip's types.
func equal() cmp.Option {
	return cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	}
}

func wantDrop() *event.Drop {
	return &event.Drop{
		Header: event.Header{Time: 123456789, Netns: 4026531840},
		Packet: event.Packet{
			Source: netip.MustParseAddrPort("10.1.2.3:443"), Destination: netip.MustParseAddrPort("10.4.5.6:50000"),
			Protocol: 6, Length: 1500, SegmentSize: 1448, TTL: 61, TCPFlags: event.TCPSyn | event.TCPAck, Sequence: 99,
		},
		Reverse: event.Lookup{
			Source: netip.MustParseAddr("10.4.5.6"), Destination: netip.MustParseAddr("10.1.2.3"),
			Ifindex: 3, Iface: "eth1", Table: 254, Mark: 5,
		},
		Reason: "IP_RPFILTER", Location: 0xffffffff81000000, Symbol: "ip_rcv_finish_core",
		Ifindex: 2, Iface: "eth0", DeviceMTU: 1500, EtherType: 0x0800, SourceMAC: event.MAC{2, 0, 0, 0, 0, 1},
		Type: event.PacketBroadcast, Conntrack: event.ConntrackPresent, Count: 17, Sampled: true,
		OutIfindex: 4, OutMTU: 1400, OutIface: "tun0",
	}
}

func TestDropSampleKeepsEveryField(t *testing.T) {
	got, err := New(names()).Decode(raw(dropSample()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantDrop(), got, equal()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestUnreadPacketHasNoAddresses(t *testing.T) {
	sample := dropSample()
	sample.Packet, sample.Reverse = wire.Packet{}, wire.Lookup{}
	got, err := New(names()).Decode(raw(sample))
	if err != nil {
		t.Fatal(err)
	}
	drop := got.(*event.Drop)
	if !drop.Packet.IsZero() || !drop.Inner.IsZero() || !drop.Reverse.IsZero() {
		t.Errorf("packet %+v, inner %+v, reverse %+v, want none", drop.Packet, drop.Inner, drop.Reverse)
	}
}

func TestICMPErrorBringsThePacketThatItQuotes(t *testing.T) {
	sample := dropSample()
	sample.Packet.Protocol, sample.Packet.IcmpType, sample.Packet.IcmpCode, sample.Packet.IcmpMtu = 1, 3, 4, 1400
	sample.Inner = wire.Packet{Source: on("fd00::1"), Destination: on("::"), Family: 6, DestinationPort: 53}
	got, err := New(names()).Decode(raw(sample))
	if err != nil {
		t.Fatal(err)
	}
	drop := got.(*event.Drop)
	if drop.Packet.ICMPType != 3 || drop.Packet.ICMPCode != 4 || drop.Packet.ICMPMTU != 1400 {
		t.Errorf("packet %+v", drop.Packet)
	}
	if drop.Inner.Source.Addr().String() != "fd00::1" || drop.Inner.Destination.String() != "[::]:53" {
		t.Errorf("inner %+v", drop.Inner)
	}
}

type rowTest struct {
	name                string
	source, destination [16]byte
	want                event.Packet
}

func rowTests() []rowTest {
	end := func(text string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(text), 0) }
	return []rowTest{
		{"IPv4", on("10.0.0.1"), on("10.0.0.2"), event.Packet{Source: end("10.0.0.1"), Destination: end("10.0.0.2")}},
		{"IPv6 from the wildcard", on("::"), on("ff02::1"), event.Packet{Source: end("::"), Destination: end("ff02::1")}},
		{"overflow", [16]byte{}, [16]byte{}, event.Packet{}},
	}
}

func TestDropRowBringsTheCountAndTheAddresses(t *testing.T) {
	for _, test := range rowTests() {
		t.Run(test.name, func(t *testing.T) {
			key := wire.DropKey{Netns: 7, Reason: 16, Source: test.source, Destination: test.destination, Ifindex: 2}
			row := wire.DropRow{Count: 200000, Last: 5, Iface: named("eth0"), Type: 2, EtherType: 0x0800}
			got := New(names()).DropRow(&key, &row)
			want := &event.Drop{
				Header: event.Header{Time: 5, Netns: 7}, Packet: test.want, Reason: "IP_RPFILTER",
				Ifindex: 2, Iface: "eth0", EtherType: 0x0800, Type: event.PacketMulticast, Count: 200000,
			}
			if diff := cmp.Diff(want, got, equal()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
