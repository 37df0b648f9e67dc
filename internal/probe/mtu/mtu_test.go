// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu_test

import (
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/probe/mtu"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// is checks what a result says of the path.
func is(t *testing.T, r *mtu.Result, method mtu.Method, verdict mtu.Verdict, size int) {
	t.Helper()
	if r.Method != method || r.Verdict != verdict || r.Passed != size || !r.Exact {
		t.Errorf("%s says %s at %d, exact %v; want %s says %s at %d", r.Method, r.Verdict, r.Passed, r.Exact, method, verdict, size)
	}
}

// TestPaths holds the machine's lock once: its parts take a second each.
func TestPaths(t *testing.T) {
	kerneltest.Exclusive(t)
	for name, test := range map[string]func(*testing.T){
		"SilentDropIsMeasuredExactlyAndLocated": silentDropIsMeasuredExactlyAndLocated,
		"AnsweredDropTellsWhoSaidWhat":          answeredDropTellsWhoSaidWhat,
		"WhereEchoIsFilteredUDPMeasures":        whereEchoIsFilteredUDPMeasures,
		"WhereOnlyTCPIsLetInTCPMeasures":        whereOnlyTCPIsLetInTCPMeasures,
		"InterfaceIsTheLimitOfAClearPath":       interfaceIsTheLimitOfAClearPath,
		"JumboFrames":                           jumboFrames,
		"LossOnTheWayBackIsToldApart":           lossOnTheWayBackIsToldApart,
		"Unreachable":                           unreachable,
	} {
		t.Run(name, test)
	}
}

func silentDropIsMeasuredExactlyAndLocated(t *testing.T) {
	n := newChain(t)
	filter(t, n.r2, nftables.ChainHookForward, larger(1393))
	for peer, routers := range map[string][2]string{server4: {router1, router2}, server6: {far1, far2}} {
		r := n.measure(t, mtu.Options{Peer: addr(peer)})
		is(t, r, mtu.Echo, mtu.Silent, 1393)
		if r.LastHop != (mtu.Hop{TTL: 2, Addr: addr(routers[1])}) || r.NextHop != (mtu.Hop{TTL: 3, Addr: addr(peer)}) {
			t.Errorf("%s: lost between %v and %v", peer, r.LastHop, r.NextHop)
		}
	}
}

func answeredDropTellsWhoSaidWhat(t *testing.T) {
	n := newChain(t)
	setMTU(t, n.r1, "r1-r2", 1400)
	for peer, router := range map[string]string{server4: router1, server6: far1} {
		r := n.measure(t, mtu.Options{Peer: addr(peer)})
		is(t, r, mtu.Echo, mtu.Answered, 1400)
		if r.Told != 1400 || r.ToldBy != addr(router) || r.LastHop.TTL != 0 {
			t.Errorf("%s: %+v", peer, r)
		}
	}
}

func whereEchoIsFilteredUDPMeasures(t *testing.T) {
	n := newChain(t)
	n.deafToEcho(t)
	filter(t, n.r1, nftables.ChainHookForward, larger(1422))
	for peer, router := range map[string]string{server4: router1, server6: far1} {
		r := n.measure(t, mtu.Options{Peer: addr(peer)})
		is(t, r, mtu.UDP, mtu.Silent, 1422)
		if r.LastHop != (mtu.Hop{TTL: 1, Addr: addr(router)}) {
			t.Errorf("%s: last hop %v", peer, r.LastHop)
		}
	}
}

func whereOnlyTCPIsLetInTCPMeasures(t *testing.T) {
	n := newChain(t)
	n.deafToEcho(t, transport(unix.IPPROTO_UDP))
	filter(t, n.r1, nftables.ChainHookForward, larger(1322))
	for _, peer := range []string{server4, server6} {
		r := n.measure(t, mtu.Options{Peer: addr(peer), Port: n.listen(t, peer)})
		is(t, r, mtu.TCP, mtu.Silent, 1322)
		if r.LastHop.TTL != 1 || r.NextHop.TTL != 2 {
			t.Errorf("%s: lost between %v and %v", peer, r.LastHop, r.NextHop)
		}
	}
}

func interfaceIsTheLimitOfAClearPath(t *testing.T) {
	n := newChain(t)
	for _, peer := range []string{server4, server6} {
		r := n.measure(t, mtu.Options{Peer: addr(peer)})
		is(t, r, mtu.Echo, mtu.Clear, 1500)
		if r.Local != 1500 {
			t.Errorf("%s: the interface takes %d", peer, r.Local)
		}
		is(t, n.measure(t, mtu.Options{Peer: addr(peer), Max: 1300}), mtu.Echo, mtu.Clear, 1300)
	}
	is(t, n.measure(t, mtu.Options{Peer: addr(server4), Port: n.listen(t, server4), TCPFirst: true}), mtu.TCP, mtu.Clear, 1500)
}

func jumboFrames(t *testing.T) {
	n := newChain(t)
	setMTU(t, n.client, "c-r1", 9000)
	setMTU(t, n.r1, "r1-c", 9000)
	setMTU(t, n.r1, "r1-r2", 9000)
	setMTU(t, n.r2, "r2-r1", 9000)
	setMTU(t, n.r2, "r2-s", 9000)
	setMTU(t, n.server, "s-r2", 9000)
	is(t, n.measure(t, mtu.Options{Peer: addr(server4)}), mtu.Echo, mtu.Clear, 9000)
	filter(t, n.r2, nftables.ChainHookForward, larger(8951))
	is(t, n.measure(t, mtu.Options{Peer: addr(server4)}), mtu.Echo, mtu.Silent, 8951)
}

// A server that answers by a path which loses large packets: what is asked about is
// the way there.
func lossOnTheWayBackIsToldApart(t *testing.T) {
	n := newChain(t)
	filter(t, n.server, nftables.ChainHookOutput, larger(1200))
	r := n.measure(t, mtu.Options{Peer: addr(server4)})
	is(t, r, mtu.UDP, mtu.Clear, 1500)
	if r.Returned != 1200 {
		t.Errorf("%d bytes came back", r.Returned)
	}
}

func unreachable(t *testing.T) {
	n := newChain(t)
	for peer, says := range map[string]string{
		"10.99.0.1": "10.63.2.2 says that it cannot be reached", // the routers send it to each other
		"10.63.1.9": "no answer from 10.63.1.9",
		"224.0.0.9": "no answer",
	} {
		o := mtu.Options{Peer: addr(peer), At: host.Target{Path: n.client.Path, Inode: n.client.ID}}
		if r, err := mtu.Measure(t.Context(), o); !errors.Is(err, mtu.ErrUnreachable) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %+v, %v", peer, r, err)
		}
	}
}

func TestWithoutPrivilegeTheErrorSaysSo(t *testing.T) {
	kerneltest.RequireRoot(t)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: capabilities are the thread's, which ends
		none := [2]unix.CapUserData{}
		if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
			done <- err
			return
		}
		_, err := mtu.Measure(t.Context(), mtu.Options{Peer: addr("127.0.0.1")})
		done <- err
	}()
	if err := <-done; !errors.Is(err, kernel.ErrPrivilege) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
		t.Errorf("%v", err)
	}
}
