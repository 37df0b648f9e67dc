// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// host has two devices, left and right, each with a cable to peer. What peer sends
// from its right address to host's left one comes in by the wrong device.
type host struct{ host, peer *kerneltest.Netns }

const (
	hostLeft  = "10.77.1.1"
	hostRight = "10.77.2.1"
	peerLeft  = "10.77.1.2"
	peerRight = "10.77.2.2"
	hostSix   = "fd77::1"
	peerSix   = "fd77::2"
)

func twoCables(t *testing.T) host {
	t.Helper()
	h := host{host: kerneltest.Namespace(t), peer: kerneltest.Namespace(t)}
	end := func(ns *kerneltest.Netns, name, prefix, alias string) kerneltest.End {
		e := kerneltest.End{Netns: ns, Name: name, Prefix: netip.MustParsePrefix(prefix)}
		if alias != "" {
			e.Alias = netip.MustParsePrefix(alias)
		}
		return e
	}
	kerneltest.Cable(t, end(h.host, "left", hostLeft+"/24", hostSix+"/64"), end(h.peer, "p-left", peerLeft+"/24", peerSix+"/64"))
	kerneltest.Cable(t, end(h.host, "right", hostRight+"/24", ""), end(h.peer, "p-right", peerRight+"/24", ""))
	return h
}

// filter sets the reverse-path filter of the left device.
func (h host) filter(t *testing.T, value string) {
	t.Helper()
	h.host.Sysctl(t, "ipv4/conf/all/rp_filter", value)
	h.host.Sysctl(t, "ipv4/conf/left/rp_filter", value)
}

// send lets the peer send n datagrams; from may be an address that it does not have.
func (h host) send(t *testing.T, from, to string, n int) {
	t.Helper()
	h.peer.Do(t, func() error {
		dialer := net.Dialer{
			LocalAddr: &net.UDPAddr{IP: net.ParseIP(from), Port: 4000},
			Control:   transparent,
		}
		conn, err := dialer.Dial("udp", to)
		if err != nil {
			return err
		}
		defer conn.Close()
		for range n {
			// A refusal that an earlier datagram met may be told now.
			if _, err := conn.Write([]byte("hello")); err != nil && !errors.Is(err, unix.ECONNREFUSED) {
				return err
			}
		}
		return nil
	})
}

// transparent lets a socket send from any address (IP_TRANSPARENT).
func transparent(network, _ string, conn syscall.RawConn) error {
	if network != "udp4" {
		return nil
	}
	var failed error
	err := conn.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1)
	})
	if err != nil {
		return err
	}
	return failed
}

func dropped(id event.Netns, reason string) func(*event.Drop) bool {
	return func(d *event.Drop) bool { return d.Netns == id && d.Reason == reason && d.Sampled }
}

// mustTell gives up a test that provokes a reason which this kernel does not give, and no
// place either.
func mustTell(t *testing.T, k *Kernel, reason string) {
	t.Helper()
	if slices.Contains(reportOf(t, k, "kfree_skb").Untold, reason) {
		t.Skipf("this kernel gives drops no reason %s, and no place in its code tells it", reason)
	}
}

func awaitDrop(t *testing.T, e *ear, wanted func(*event.Drop) bool) *event.Drop {
	t.Helper()
	var found *event.Drop
	kerneltest.Within(t, 20*time.Second, "the drop is told", func() bool {
		found = e.lastDrop(wanted)
		return found != nil
	})
	return found
}

func TestReversePathDropNamesTheExpectedInterface(t *testing.T) {
	kerneltest.Exclusive(t)
	for _, rung := range []string{hook.RungTracepointBTF, hook.RungTracepointRaw, hook.RungTracepoint} {
		t.Run(rung, func(t *testing.T) {
			h := twoCables(t)
			h.filter(t, "1")
			k := mustOpen(t, Options{
				Netns:  []event.Netns{h.host.ID},
				Sights: []string{hook.SightDrop, hook.SightFib},
				Rung:   map[string]string{"kfree_skb": rung},
			})
			e := listen(t, k)
			h.send(t, peerRight, hostLeft+":4001", 1)
			d := awaitDrop(t, e, dropped(h.host.ID, "IP_RPFILTER"))
			checkReverse(t, d)
		})
	}
}

func checkReverse(t *testing.T, d *event.Drop) {
	t.Helper()
	want := event.Packet{
		Source:      netip.MustParseAddrPort(peerRight + ":4000"),
		Destination: netip.MustParseAddrPort(hostLeft + ":4001"),
		Protocol:    event.ProtocolUDP,
		Length:      20 + 8 + 5,
		TTL:         64,
	}
	if d.Packet != want {
		t.Errorf("packet %+v, want %+v", d.Packet, want)
	}
	if d.Iface != "left" || d.DeviceMTU != 1500 || d.EtherType != 0x0800 {
		t.Errorf("device %q of MTU %d, EtherType %#x", d.Iface, d.DeviceMTU, d.EtherType)
	}
	if d.Reverse.Iface != "right" || d.Reverse.Ifindex == 0 || d.Reverse.Error != 0 || d.Reverse.Table == 0 {
		t.Errorf("reverse lookup %+v, want device right without error", d.Reverse)
	}
	if d.Reverse.Destination != want.Source.Addr() || d.Reverse.Source != want.Destination.Addr() {
		t.Errorf("reverse lookup %+v is not of the way back", d.Reverse)
	}
	if d.SourceMAC.IsZero() || d.Type != event.PacketHost || d.Count != 1 || d.Time == 0 {
		t.Errorf("MAC %v, type %d, count %d, time %d", d.SourceMAC, d.Type, d.Count, d.Time)
	}
	if d.Location == 0 || d.Symbol == "" {
		t.Errorf("location %#x, symbol %q", d.Location, d.Symbol)
	}
}

func TestLooseReversePathFilterDropsNothing(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	h.filter(t, "2")
	k := mustOpen(t, Options{Netns: []event.Netns{h.host.ID}})
	e := listen(t, k)
	h.send(t, peerRight, hostLeft+":4001", 50)
	e.hush()
	if d := e.lastDrop(func(*event.Drop) bool { return true }); d != nil {
		t.Errorf("told a drop: %+v", d)
	}
}

func TestOwnAddressAsSourceIsALocalSourceDrop(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	h.filter(t, "0")
	k := mustOpen(t, Options{Netns: []event.Netns{h.host.ID}, Sights: []string{hook.SightDrop, hook.SightFib}})
	e := listen(t, k)
	h.send(t, hostRight, hostLeft+":4001", 1)
	d := awaitDrop(t, e, dropped(h.host.ID, "IP_LOCAL_SOURCE"))
	if d.Packet.Source.Addr() != netip.MustParseAddr(hostRight) || d.Iface != "left" {
		t.Errorf("source %v by %q", d.Packet.Source, d.Iface)
	}
}

func TestFloodIsCountedExactlyAndSampledSparsely(t *testing.T) {
	kerneltest.Exclusive(t)
	const flood = 5000
	h := twoCables(t)
	h.filter(t, "1")
	k := mustOpen(t, Options{Netns: []event.Netns{h.host.ID}, Sights: []string{hook.SightDrop, hook.SightFib}, SampleEvery: time.Hour})
	e := listen(t, k)
	h.send(t, peerRight, hostLeft+":4001", flood)
	e.hush()
	if len(e.losses) > 0 {
		t.Errorf("lost: %+v", e.losses)
	}
	d := e.lastDrop(func(d *event.Drop) bool { return d.Reason == "IP_RPFILTER" })
	if d == nil || d.Count != flood {
		t.Fatalf("last told %+v, want a count of %d", d, flood)
	}
	sampled := 0
	for i := range e.drops {
		if e.drops[i].Sampled {
			sampled++
		}
	}
	if sampled != 1 {
		t.Errorf("%d samples, want 1 in an hour", sampled)
	}
}

func TestOtherNamespacesAreNotLookedAt(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	h.filter(t, "1")
	k := mustOpen(t, Options{Netns: []event.Netns{h.peer.ID}, Sights: []string{hook.SightDrop, hook.SightFib}})
	e := listen(t, k)
	h.send(t, peerRight, hostLeft+":4001", 10)
	if err := k.WatchNetns(h.host.ID); err != nil {
		t.Fatal(err)
	}
	h.send(t, peerRight, hostLeft+":4001", 1)
	if d := awaitDrop(t, e, dropped(h.host.ID, "IP_RPFILTER")); d.Count != 1 {
		t.Errorf("count %d: drops from before the namespace was watched", d.Count)
	}
}

func TestIPv6HeadersAreRead(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	k := mustOpen(t, Options{Netns: []event.Netns{h.host.ID}, Sights: []string{hook.SightDrop}, reasons: []string{"NO_SOCKET"}})
	mustTell(t, k, "NO_SOCKET")
	e := listen(t, k)
	h.send(t, peerSix, "["+hostSix+"]:4001", 1)
	d := awaitDrop(t, e, dropped(h.host.ID, "NO_SOCKET"))
	want := event.Packet{
		Source:      netip.MustParseAddrPort("[" + peerSix + "]:4000"),
		Destination: netip.MustParseAddrPort("[" + hostSix + "]:4001"),
		Protocol:    event.ProtocolUDP,
		Length:      40 + 8 + 5,
		TTL:         64,
	}
	if d.Packet != want || d.EtherType != 0x86dd {
		t.Errorf("packet %+v, EtherType %#x, want %+v", d.Packet, d.EtherType, want)
	}
}
