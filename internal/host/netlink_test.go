// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// message joins a header and attributes as the kernel would send them.
func message(header nl.NetlinkRequestData, attributes ...nl.NetlinkRequestData) []byte {
	msg := header.Serialize()
	for _, one := range attributes {
		msg = append(msg, one.Serialize()...)
	}
	return msg
}

func exampleRoute() []byte {
	hops := nl.NewRtAttr(unix.RTA_MULTIPATH, nil)
	hops.AddChild(&nl.RtNexthop{RtNexthop: unix.RtNexthop{Hops: 1, Ifindex: 2}, Children: []nl.NetlinkRequestData{
		nl.NewRtAttr(unix.RTA_GATEWAY, []byte{10, 0, 0, 1}),
	}})
	return message(
		&nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET, Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_STATIC, Type: unix.RTN_UNICAST}},
		nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(5)), hops)
}

func TestRouteOfSeveralHopsTellsEach(t *testing.T) {
	r, ok := parseRoute(exampleRoute())
	got := r.text(func(uint32) string { return "eth0" })
	if want := "default proto static metric 5 nexthop via 10.0.0.1 dev eth0 weight 2"; !ok || got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAttributesEndWhereOneIsCutShort(t *testing.T) {
	whole := nl.NewRtAttr(7, nl.Uint32Attr(42)).Serialize()
	for size := range len(whole) {
		for kind := range attributes(whole[:size]) {
			t.Errorf("of %d bytes attribute %d was read", size, kind)
		}
	}
	count := 0
	for kind, value := range attributes(append(whole, 3, 0, 1, 0)) {
		count++
		if kind != 7 || number(value) != 42 {
			t.Errorf("attribute %d is %v", kind, value)
		}
	}
	if count != 1 {
		t.Errorf("%d attributes, want 1", count)
	}
}

func TestInterfaceSettingsBeyondWhatTheKernelSendsAreOff(t *testing.T) {
	if got := setting(make([]byte, 4*confRPFilter), confRPFilter); got != 0 {
		t.Errorf("got %d", got)
	}
	if got := setting(append(make([]byte, 4*confRPFilter), 2, 0, 0, 0), confRPFilter); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
}

func FuzzKernelMessagesAreReadWithinTheirBounds(f *testing.F) {
	f.Add(exampleRoute())
	f.Add(message(nl.NewIfInfomsg(0), nl.NewRtAttr(unix.IFLA_IFNAME, []byte("eth0\x00"))))
	f.Add(message(&nl.RtMsg{}, nl.NewRtAttr(unix.FRA_SRC, []byte{10, 0, 0, 0}), nl.NewRtAttr(unix.FRA_UID_RANGE, make([]byte, 8))))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if r, ok := parseRoute(msg); ok {
			if text := r.text(func(uint32) string { return "eth0" }); strings.TrimSpace(text) == "" {
				t.Error("a route without a text")
			}
			r.event(func(uint32) string { return "eth0" })
		}
		if r, ok := parseRule(msg); ok && !strings.Contains(r.text(), "from") {
			t.Errorf("a rule without a source: %s", r.text())
		}
		if link, ok := parseLink(msg); ok && link.Name == "" {
			t.Error("a link without a name")
		}
		if held, ok := parseAddress(msg); ok && !held.prefix.IsValid() {
			t.Error("an address that is none")
		}
		isDefault(msg)
	})
}
