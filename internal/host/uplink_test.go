// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
	"golang.org/x/sys/unix"
)

func TestUplinksAreLookedAtOnlyWhereASYNWasSentAgain(t *testing.T) {
	f := newFake()
	looks, reads := 0, 0
	waits := true
	world := f.world()
	world.Uplinks = func(answer *event.Uplinks, all, routes bool) (bool, error) {
		looks++
		if routes {
			reads++
		}
		if (waits || all) && routes && f.routes != nil {
			answer.Ways = []event.Way{{Iface: "a"}, {Iface: "b"}}
		}
		return waits, nil
	}
	h := New(world)
	resent := func(n int) {
		f.files[netstatPath] = fmt.Sprintf("TcpExt: TCPTimeouts TCPSynRetrans\nTcpExt: 3 %d\n", n)
	}
	ask := func(wantLooks, wantReads int, want error) {
		t.Helper()
		_, err := h.uplinks(Target{Inode: ownInode}, event.Want{Of: event.KindUplinks, Netns: ownInode})
		if !errors.Is(err, want) || looks != wantLooks || reads != wantReads {
			t.Fatalf("%d looks and %d readings of routes, want %d and %d; error %v, want %v", looks, reads, wantLooks, wantReads, err, want)
		}
	}
	resent(1)
	ask(1, 1, errRanked) // the first look; all routes have a rank
	ask(2, 1, errRanked) // a SYN waits still, and routes were read just now
	f.clock += event.Time(rankedFor)
	ask(3, 2, errRanked)
	waits = false
	f.clock += event.Time(rankedFor)
	ask(4, 3, errRanked)
	ask(4, 3, errAllAnswered)
	resent(2)
	waits, f.routes = true, []event.Route{{}, {}}
	ask(5, 4, nil)
	waits = false
	ask(6, 5, nil) // what was told to wait does not any more
	ask(6, 5, errAllAnswered)
}

func TestHandshakesAreSortedByTheWayThatTheyTake(t *testing.T) {
	kerneltest.RequireRoot(t)
	here, there := kerneltest.Namespace(t), kerneltest.Namespace(t)
	for i := range 2 {
		at := func(host byte) netip.Prefix {
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 79, byte(i), host}), 24)
		}
		kerneltest.Cable(t,
			kerneltest.End{Netns: here, Name: fmt.Sprintf("up%d", i), Prefix: at(2)},
			kerneltest.End{Netns: there, Name: fmt.Sprintf("far%d", i), Prefix: at(1)})
	}
	// The far end takes packets to elsewhere, and delivers none.
	script(t, here, "route add default via 10.79.0.1 metric 50\nroute append default via 10.79.1.1 metric 50\nroute add 10.80.0.0/16 via 10.79.0.1")
	h := New(Real())
	at, err := h.Resolve(here.Name)
	if err != nil {
		t.Fatal(err)
	}
	want := event.Want{Of: event.KindUplinks, Netns: at.Inode}
	if _, err := h.Answer(t.Context(), want); !errors.Is(err, errRanked) {
		t.Fatalf("before any SYN it says %v", err)
	}
	var fds []int
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}()
	for _, to := range []string{"198.51.100.7", "10.80.0.7"} { // the second by a narrower route
		here.Do(t, func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			fds = append(fds, fd)
			if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: netip.MustParseAddr(to).As4(), Port: 443}); err != unix.EINPROGRESS {
				return err
			}
			return nil
		})
	}
	var told *event.Uplinks
	kerneltest.Within(t, 5*time.Second, "a SYN is sent again", func() bool {
		answer, err := h.Answer(t.Context(), want)
		told, _ = answer.(*event.Uplinks)
		return err == nil
	})
	if len(told.Ways) != 2 || told.Ways[0].Iface != "up0" || told.Ways[0].Metric != 50 || told.Ways[1].Gateway != netip.MustParseAddr("10.79.1.1") || told.Ways[0].Neighbour == "" {
		t.Errorf("ways %+v", told.Ways)
	}
	if len(told.Handshakes) != 1 {
		t.Fatalf("handshakes %+v", told.Handshakes)
	}
	one := told.Handshakes[0]
	if one.Answered || one.Resent == 0 || one.Peer != netip.MustParseAddrPort("198.51.100.7:443") || told.Ways[one.Way].Iface != "up0" {
		t.Errorf("handshake %+v", one)
	}
}
