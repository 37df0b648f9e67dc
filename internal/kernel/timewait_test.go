// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// patienceForClose bounds how long the last packets of a close take.
const patienceForClose = 2 * time.Second

// closeTest is one way to end a connection that this side opened.
type closeTest struct {
	name string
	end  func(pair)
	// counted is whether it counts as a TIME_WAIT of the destination, left whether
	// the namespace is left with one at all.
	counted, left uint64
}

func closeTests() []closeTest {
	return []closeTest{
		{"client first", pair.clientFirst, 1, 1},
		{"server first", pair.serverFirst, 0, 1},
		{"reset by client", func(p pair) { p.client.SetLinger(0); p.client.Close(); awaitEnd(p.server) }, 0, 0},
		{"reset by server half way", resetHalfWay, 0, 0},
		{"abandoned half way", abandonHalfWay, 1, 1},
	}
}

// resetHalfWay resets a connection whose client stands in FIN_WAIT2.
func resetHalfWay(p pair) {
	p.client.CloseWrite()
	awaitEnd(p.server)
	p.server.SetLinger(0)
	p.server.Close()
	awaitEnd(p.client)
}

// abandonHalfWay leaves the client's end to the kernel, which keeps it as a timewait
// socket in FIN_WAIT2.
func abandonHalfWay(p pair) {
	p.client.Close()
	awaitEnd(p.server)
}

func TestOnlyClosesThatLeaveATimeWaitCountAsSuch(t *testing.T) {
	kerneltest.Exclusive(t)
	for _, test := range closeTests() {
		t.Run(test.name, func(t *testing.T) {
			ns := narrow(t)
			k := mustOpen(t, Options{Netns: []event.Netns{ns.ID}, Sights: []string{hook.SightTCP, hook.SightTimewait}})
			e := listen(t, k)
			s := serve(t, ns, "127.0.0.1:5000")
			test.end(s.dial(t, ns))
			kerneltest.Within(t, patienceForClose, "the close is counted", func() bool {
				counts, err := k.Closes()
				return err == nil && counts[ns.ID] == test.left
			})
			checkLeft(t, k, ns, uint32(test.left))
			e.hush()
			checkPressure(t, e.lastPressure(ns.ID), s.address, test.counted)
		})
	}
}

func checkLeft(t *testing.T, k *Kernel, ns *kerneltest.Netns, left uint32) {
	t.Helper()
	use := mustWalk(t, k, ns)
	if use.AllTimeWait != left {
		t.Errorf("the namespace holds %d timewait sockets, want %d", use.AllTimeWait, left)
	}
}

func checkPressure(t *testing.T, p *event.PortPressure, to netip.AddrPort, timeWaits uint64) {
	t.Helper()
	if p == nil {
		t.Fatal("no pressure was told")
	}
	want := event.PortPressure{
		Header: p.Header, Source: to.Addr(), Destination: to, Opens: 1, TimeWaits: timeWaits, Owner: p.Owner,
	}
	if *p != want || p.Owner.PID != uint32(os.Getpid()) {
		t.Errorf("pressure %+v, want %+v", p, want)
	}
}

func mustWalk(t *testing.T, k *Kernel, ns *kerneltest.Netns) *event.PortUse {
	t.Helper()
	use, err := k.Walk(ns.Path, ns.ID, lowPort, highPort)
	if err != nil {
		t.Fatal(err)
	}
	return use
}

// onEveryWalk runs a test on each rung of the timewait sight.
func onEveryWalk(t *testing.T, test func(t *testing.T, k *Kernel)) {
	kerneltest.Exclusive(t)
	for _, rung := range []string{hook.RungIterator, hook.RungDiag} {
		t.Run(rung, func(t *testing.T) {
			k := mustOpen(t, Options{Sights: []string{hook.SightTimewait}, Rung: map[string]string{"iter/tcp": rung}})
			test(t, k)
		})
	}
}

func TestWalkTellsTimeWaitFromLivePerDestination(t *testing.T) {
	onEveryWalk(t, func(t *testing.T, k *Kernel) {
		ns := narrow(t)
		busy, calm := serve(t, ns, "127.0.0.1:5000"), serve(t, ns, "[::1]:5001")
		for range 7 {
			busy.dial(t, ns).clientFirst()
		}
		busy.dial(t, ns)
		calm.dial(t, ns)
		calm.dial(t, ns)
		calm.dial(t, ns).serverFirst() // its TIME_WAIT is the listener's
		use := mustWalk(t, k, ns)
		four, six := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
		wantRows := []event.PortUseRow{
			{Source: four, Destination: busy.address, TimeWait: 7, Live: 1},
			{Source: six, Destination: calm.address, Live: 2},
		}
		if len(use.Rows) != 2 || use.Rows[0] != wantRows[0] || use.Rows[1] != wantRows[1] {
			t.Errorf("rows %+v, want %+v", use.Rows, wantRows)
		}
		if len(use.Sources) != 2 || use.Sources[0] != (event.PortUseSource{Source: four, TimeWait: 7, Live: 1}) {
			t.Errorf("sources %+v", use.Sources)
		}
		if use.TimeWait != 7 || use.Live != 3 || use.AllTimeWait != 8 || use.Untold != 0 || use.Netns != ns.ID {
			t.Errorf("sums %+v", use)
		}
	})
}

func TestWalkCountsIPv4ByAnIPv6SocketAsIPv4(t *testing.T) {
	onEveryWalk(t, func(t *testing.T, k *Kernel) {
		ns := narrow(t)
		s := serve(t, ns, "127.0.0.1:5000")
		fd := socket(t, ns, unix.AF_INET6, unix.SOCK_STREAM)
		if err := unix.Connect(fd, sockaddr(s.address, true)); err != nil {
			t.Fatal(err)
		}
		want := event.PortUseRow{Source: s.address.Addr(), Destination: s.address, Live: 1}
		if use := mustWalk(t, k, ns); len(use.Rows) != 1 || use.Rows[0] != want {
			t.Errorf("rows %+v, want %+v", use.Rows, want)
		}
	})
}

func TestSecondWalkForgetsTheFirst(t *testing.T) {
	onEveryWalk(t, func(t *testing.T, k *Kernel) {
		ns := narrow(t)
		s := serve(t, ns, "127.0.0.1:5000")
		p := s.dial(t, ns)
		if use := mustWalk(t, k, ns); use.Live != 1 {
			t.Fatalf("first walk: %+v", use)
		}
		p.client.SetLinger(0)
		p.client.Close()
		awaitEnd(p.server)
		p.server.Close()
		if use := mustWalk(t, k, ns); use.Live != 0 || len(use.Rows) != 0 {
			t.Errorf("second walk: %+v", use)
		}
	})
}

func TestWalkOfAReplacedNamespaceFails(t *testing.T) {
	onEveryWalk(t, func(t *testing.T, k *Kernel) {
		ns := kerneltest.Namespace(t)
		if _, err := k.Walk(ns.Path, ns.ID+1, lowPort, highPort); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("walk by the wrong inode: %v, want os.ErrNotExist", err)
		}
		if _, err := k.Walk(ns.Path+"-gone", ns.ID, lowPort, highPort); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("walk of a missing file: %v, want os.ErrNotExist", err)
		}
	})
}

func TestWalkWithoutTheHookSaysThatItIsBlind(t *testing.T) {
	kerneltest.Exclusive(t)
	k := mustOpen(t, Options{Sights: []string{hook.SightTCP}})
	if _, err := k.Walk("", 0, lowPort, highPort); !errors.Is(err, ErrBlind) {
		t.Errorf("walk: %v, want ErrBlind", err)
	}
}
