// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

const splitSymbols = `ffffffff81000000 T kfree_skb
ffffffff81000100 t ip_rcv_finish_core.constprop.0
ffffffff81000180 t ip_rcv_finish
ffffffff81000200 T ip_forward
ffffffff81000280 t ip_forward_finish
ffffffff81900000 t ip_rcv_finish_core.constprop.0.cold
ffffffff81900040 t ip_forward_options.cold
ffffffff81000300 T nf_hook_slow
ffffffff81000380 T nf_hook_slow_list
ffffffff81000400 T nf_register
`

// middle gives reasons as 6.1 does: some of those that traps rest on are missing, and
// the enum of a distribution's own begins with NOT_SPECIFIED.
func middle() []btf.EnumValue {
	return []btf.EnumValue{
		{Name: "SKB_DROP_REASON_NOT_SPECIFIED", Value: 0},
		{Name: "SKB_DROP_REASON_NETFILTER_DROP", Value: 8},
		{Name: "SKB_DROP_REASON_IP_RPFILTER", Value: 11},
		{Name: "SKB_DROP_REASON_PKT_TOO_BIG", Value: 60},
	}
}

func TestPlacesGiveOnlyTheReasonsThatTheKernelLacks(t *testing.T) {
	r := takeReasons(middle(), watched())
	reads := 0
	r.locate(listOf(splitSymbols, &reads))
	if want := []string{"IP_INVALID_SOURCE", "IP_LOCALNET", "IP_LOCAL_SOURCE"}; !slices.Equal(r.placed, want) || len(r.untold) != 0 {
		t.Errorf("placed %v, want %v; untold %v", r.placed, want, r.untold)
	}
	if r.wanted[wire.PlacedRPFilter] != 0 || r.wanted[wire.PlacedLocalSource] != always || r.wanted[0] != ifOversize {
		t.Errorf("wanted: %v", r.wanted)
	}
	want := []wire.Place{
		{Low: 0xffffffff81000100, High: 0xffffffff81000180, What: wire.PlaceInput},
		{Low: 0xffffffff81000180, High: 0xffffffff81000200, What: wire.PlaceInput},
		{Low: 0xffffffff81900000, High: 0xffffffff81900040, What: wire.PlaceInput},
	}
	if got := r.places[:len(want)]; !slices.Equal(got, want) || r.places[len(want)] != (wire.Place{}) {
		t.Errorf("places %x, want %x", r.places, want)
	}
	if r.unspecified != 0 || r.name(wire.PlacedLocalSource) != "IP_LOCAL_SOURCE" || r.name(8) != "NETFILTER_DROP" {
		t.Errorf("unspecified %d, names %v", r.unspecified, r.names)
	}
}

func TestKernelWithEveryReasonNeedsNoSymbols(t *testing.T) {
	values := middle()
	for i, name := range []string{"IP_LOCAL_SOURCE", "IP_INVALID_SOURCE", "IP_LOCALNET"} {
		values = append(values, btf.EnumValue{Name: reasonPrefix + name, Value: uint64(90 + i)})
	}
	r := takeReasons(values, watched())
	reads := 0
	r.locate(listOf(splitSymbols, &reads))
	if reads != 0 || len(r.placed)+len(r.untold) != 0 || r.places[0] != (wire.Place{}) {
		t.Errorf("%d reads, placed %v, untold %v", reads, r.placed, r.untold)
	}
}

func TestHiddenSymbolsLeaveReasonsUntold(t *testing.T) {
	reads := 0
	lists := map[string]func() (io.ReadCloser, error){
		"zeros":   listOf("0000000000000000 T ip_forward\n0000000000000000 t ip_rcv_finish_core\n", &reads),
		"no file": func() (io.ReadCloser, error) { return nil, errors.New("no such file") },
	}
	for name, open := range lists {
		r := untoldReasons(watched())
		r.locate(open)
		if len(r.untold) != len(watched())-1 || len(r.placed) != 0 {
			t.Errorf("%s: placed %v, untold %v", name, r.placed, r.untold)
		}
		if r.told || r.wanted[wire.PlacedNone] != ifOversize || r.name(wire.PlacedNone) != unspecified {
			t.Errorf("%s: told %v, wanted %v", name, r.told, r.wanted[wire.PlacedNone:])
		}
	}
}

// openMute attaches as on a kernel that gives no reasons.
func openMute(t *testing.T, h host, rung string) *ear {
	t.Helper()
	o := Options{Netns: []event.Netns{h.host.ID}, Sights: []string{hook.SightDrop, hook.SightFib}, mute: true}
	if rung != "" {
		o.Rung = map[string]string{"kfree_skb": rung}
	}
	k := mustOpen(t, o)
	if untold := reportOf(t, k, "kfree_skb").Untold; len(untold) > 0 {
		t.Fatalf("untold: %v", untold)
	}
	return listen(t, k)
}

func TestPlaceTellsAReversePathDropOnEveryRung(t *testing.T) {
	kerneltest.Exclusive(t)
	for _, rung := range []string{hook.RungTracepointBTF, hook.RungTracepointRaw, hook.RungTracepoint} {
		t.Run(rung, func(t *testing.T) {
			h := twoCables(t)
			h.filter(t, "1")
			e := openMute(t, h, rung)
			h.send(t, peerRight, hostLeft+":4001", 1)
			d := awaitDrop(t, e, dropped(h.host.ID, "IP_RPFILTER"))
			checkReverse(t, d)
			if d.Ground != event.GroundPlace || !strings.HasPrefix(d.Symbol, "ip_") {
				t.Errorf("ground %d, dropped by %s", d.Ground, d.Symbol)
			}
		})
	}
}

func TestPlaceTellsThatThereIsNoWayBack(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	h.filter(t, "2") // loose drops nothing else
	e := openMute(t, h, "")
	h.send(t, "203.0.113.9", hostLeft+":4001", 1)
	d := awaitDrop(t, e, dropped(h.host.ID, "IP_RPFILTER"))
	if d.Reverse.Error == 0 || d.Reverse.Iface != "" {
		t.Errorf("reverse lookup %+v, want an error", d.Reverse)
	}
}

func TestPlaceTellsMartiansApart(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	e := openMute(t, h, "")
	for _, test := range []struct {
		filter, source, reason string
		count                  uint64
	}{
		{"0", hostRight, "IP_LOCAL_SOURCE", 1}, // by the list of addresses
		{"1", hostRight, "IP_LOCAL_SOURCE", 2}, // by the lookup of the way back
		{"0", "127.0.0.5", "IP_LOCALNET", 1},
		{"1", "0.0.0.5", "IP_INVALID_SOURCE", 1},
		{"1", "10.77.2.255", "IP_INVALID_SOURCE", 1}, // a network's broadcast
	} {
		h.filter(t, test.filter)
		sendForged(t, h, test.source)
		d := awaitDrop(t, e, func(d *event.Drop) bool {
			return d.Packet.Source.Addr() == netip.MustParseAddr(test.source) && d.Count == test.count
		})
		if d.Reason != test.reason || d.Ground != event.GroundPlace {
			t.Errorf("%s with rp_filter %s: %s on ground %d, want %s", test.source, test.filter, d.Reason, d.Ground, test.reason)
		}
	}
}

func TestPlaceGivesNoReasonToOtherDrops(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	h.filter(t, "2")
	e := openMute(t, h, "")
	h.send(t, peerRight, hostLeft+":4001", 20)        // comes in by the wrong device, and may
	h.send(t, peerLeft, hostLeft+":4001", 20)         // there is no such socket
	sendForged(t, h, peerLeft, 0x44, 0xff, 0xff, 0xf) // with options that make no sense
	e.hush()
	if d := e.lastDrop(func(*event.Drop) bool { return true }); d != nil {
		t.Errorf("told a drop: %+v", d)
	}
}

// sendForged lets the peer send an empty datagram from any address to the left one.
func sendForged(t *testing.T, h host, source string, options ...byte) {
	t.Helper()
	header := 20 + len(options)
	packet := make([]byte, header+8)
	packet[0] = 0x40 | byte(header/4)
	packet[8], packet[9] = 64, unix.IPPROTO_UDP
	copy(packet[12:], netip.MustParseAddr(source).AsSlice())
	copy(packet[16:], netip.MustParseAddr(hostLeft).AsSlice())
	copy(packet[20:], options)
	binary.BigEndian.PutUint16(packet[header:], 4000)
	binary.BigEndian.PutUint16(packet[header+2:], 4001)
	binary.BigEndian.PutUint16(packet[header+4:], 8)
	h.peer.Do(t, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, packet, 0, sockaddr(netip.MustParseAddrPort(hostLeft+":0"), false))
	})
}
