// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// beyond is a network behind the host, over its right cable.
const beyond = "fd78::/64"

// narrow makes the host a router of IPv6 whose way to beyond is narrower than the peer's
// way to the host.
func (h host) narrow(t *testing.T, mtu int) {
	t.Helper()
	h.host.Sysctl(t, "ipv6/conf/all/forwarding", "1")
	h.host.Do(t, func() error {
		right, err := netlink.LinkByName("right")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetMTU(right, mtu); err != nil {
			return err
		}
		return routeTo(beyond, right, "")
	})
	h.peer.Do(t, func() error {
		left, err := netlink.LinkByName("p-left")
		if err != nil {
			return err
		}
		return routeTo(beyond, left, hostSix)
	})
}

func routeTo(prefix string, link netlink.Link, gateway string) error {
	_, to, err := net.ParseCIDR(prefix)
	if err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{Dst: to, LinkIndex: link.Attrs().Index, Gw: net.ParseIP(gateway)})
}

func TestRoutersOwnErrorIsToldOnEveryRung(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	h.narrow(t, 1300)
	// Once told, the peer sends no more large packets to that destination.
	for rung, to := range map[string]string{hook.RungKprobe: "fd78::9", hook.RungTracepointBTF: "fd78::a"} {
		t.Run(rung, func(t *testing.T) {
			k := mustOpen(t, Options{
				Netns: []event.Netns{h.host.ID}, Sights: []string{hook.SightICMPSent},
				SampleEvery: time.Nanosecond, Rung: map[string]string{"icmp6_send": rung},
			})
			if standsOn(k, "icmp6_send") != rung {
				t.Log("this kernel does not offer it")
				return
			}
			e := listen(t, k)
			h.sendLarge(t, to, 1400)
			kerneltest.Within(t, 20*time.Second, "the error is told", func() bool { return e.lastError() != nil })
			told := e.lastError()
			if told.Received() || told.MTU != 1300 || told.Inner.Length != 1400+48 ||
				told.Inner.Source.Addr() != netip.MustParseAddr(peerSix) {
				t.Errorf("told %+v", told)
			}
		})
	}
}

// sendLarge lets the peer send one datagram of IPv6 with so many bytes in it.
func (h host) sendLarge(t *testing.T, to string, size int) {
	t.Helper()
	h.peer.Do(t, func() error {
		conn, err := net.Dial("udp6", net.JoinHostPort(to, "4001"))
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(make([]byte, size))
		return err
	})
}

func standsOn(k *Kernel, name string) string {
	for _, h := range k.Hooks() {
		if h.Name == name {
			return h.Rung
		}
	}
	return ""
}

// An error that never reached ICMP was not accepted, and neither was one that this
// host only sent.
func TestDroppedErrorIsNotToldAsAccepted(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	h.filter(t, "1")
	k := mustOpen(t, Options{Netns: []event.Netns{h.host.ID, h.peer.ID}, Sights: []string{hook.SightICMP}, SampleEvery: time.Nanosecond})
	e := listen(t, k)
	h.sendErrorFrom(t, peerRight, tooBig(false, quote4(0))) // comes in by the wrong device
	h.sendErrorFrom(t, peerLeft, tooBig(false, quote4(20)))
	kerneltest.Within(t, 20*time.Second, "the second error is told", func() bool { return e.lastError() != nil })
	told := e.lastError()
	if told.Packet.Source.Addr() != netip.MustParseAddr(peerLeft) || told.Netns != h.host.ID || e.countErrors() != 1 {
		t.Errorf("%d told, the last: %+v", e.countErrors(), told)
	}
}

// sendErrorFrom sends an ICMP message from one of the peer's addresses to the host.
func (h host) sendErrorFrom(t *testing.T, from string, message []byte) {
	t.Helper()
	h.peer.Do(t, func() error {
		conn, err := net.DialIP("ip4:icmp", &net.IPAddr{IP: net.ParseIP(from)}, &net.IPAddr{IP: net.ParseIP(hostLeft)})
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(message)
		return err
	})
}
