// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// quoted is an IPv4 header and the first 8 bytes of TCP, as an ICMP error quotes
// them: 10.77.1.1:443 to 10.99.0.1:50000, 1500 bytes, sequence 0x01020304.
func quoted() []byte {
	return []byte{
		0x45, 0, 0x05, 0xdc, 0, 1, 0x40, 0, 63, 6, 0, 0, 10, 77, 1, 1, 10, 99, 0, 1,
		0x01, 0xbb, 0xc3, 0x50, 1, 2, 3, 4,
	}
}

func TestICMPErrorIsReadWithThePacketThatItQuotes(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	h.filter(t, "1")
	k := mustOpen(t, Options{Netns: []event.Netns{h.host.ID}, Sights: []string{hook.SightDrop, hook.SightFib}})
	e := listen(t, k)
	tooBig := icmp.Message{Type: ipv4.ICMPTypeDestinationUnreachable, Code: 4, Body: &icmp.PacketTooBig{MTU: 1400, Data: quoted()}}
	sendICMP(t, h, &tooBig)
	d := awaitDrop(t, e, dropped(h.host.ID, "IP_RPFILTER"))
	if d.Packet.Protocol != event.ProtocolICMP || d.Packet.ICMPType != 3 || d.Packet.ICMPCode != 4 || d.Packet.ICMPMTU != 1400 {
		t.Errorf("error %+v", d.Packet)
	}
	want := event.Packet{
		Source:      netip.MustParseAddrPort("10.77.1.1:443"),
		Destination: netip.MustParseAddrPort("10.99.0.1:50000"),
		Protocol:    event.ProtocolTCP, TTL: 63, Length: 1500, Sequence: 0x01020304,
	}
	if d.Inner != want {
		t.Errorf("quoted %+v, want %+v", d.Inner, want)
	}
}

// sendICMP lets the peer send a message from its right address to the left one.
func sendICMP(t *testing.T, h host, m *icmp.Message) {
	t.Helper()
	wire, err := m.Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.peer.Do(t, func() error {
		conn, err := net.DialIP("ip4:icmp", &net.IPAddr{IP: net.ParseIP(peerRight)}, &net.IPAddr{IP: net.ParseIP(hostLeft)})
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(wire)
		return err
	})
}

// options are an options header of 8 bytes: padding alone, of which more would be
// refused (ip6_parse_tlv).
func options() string { return string([]byte{0, 0, 1, 4, 7: 0}) }

func TestIPv6ExtensionHeadersAreSkipped(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	k := mustOpen(t, Options{Netns: []event.Netns{h.host.ID}, Sights: []string{hook.SightDrop}, reasons: []string{"NO_SOCKET"}})
	mustTell(t, k, "NO_SOCKET")
	e := listen(t, k)
	fd := socket(t, h.peer, unix.AF_INET6, unix.SOCK_DGRAM)
	for _, option := range []int{unix.IPV6_DSTOPTS, unix.IPV6_HOPOPTS} {
		if err := unix.SetsockoptString(fd, unix.SOL_IPV6, option, options()); err != nil {
			t.Fatal(err)
		}
	}
	to := netip.MustParseAddrPort("[" + hostSix + "]:4001")
	if err := unix.Sendto(fd, []byte("hello"), 0, sockaddr(to, true)); err != nil {
		t.Fatal(err)
	}
	d := awaitDrop(t, e, dropped(h.host.ID, "NO_SOCKET"))
	if d.Packet.Protocol != event.ProtocolUDP || d.Packet.Destination != to || d.Packet.Source.Port() == 0 {
		t.Errorf("packet %+v, want one of UDP to %v", d.Packet, to)
	}
	if want := uint32(40 + 8 + 8 + 8 + 5); d.Packet.Length != want {
		t.Errorf("length %d, want %d", d.Packet.Length, want)
	}
}
