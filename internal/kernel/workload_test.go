// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// rounds is how often the workload does each of its things.
const rounds = 100

// sufficient is how many runs make an average.
const sufficient = rounds / 4

// nobody is an address of the left cable that no host has.
const nobody = "10.77.1.9:80"

// workload is traffic under which every hook of the table fires, much the same each
// time.
type workload struct {
	host
	web *server
}

func newWorkload(t *testing.T) workload {
	t.Helper()
	w := workload{host: twoCables(t)}
	w.filter(t, "1")
	// Errors are not to be rationed: each datagram to a closed port gives one.
	w.host.host.Sysctl(t, "ipv4/icmp_ratemask", "0")
	w.host.host.Sysctl(t, "ipv6/icmp/ratelimit", "0")
	w.web = serve(t, w.peer, peerLeft+":80")
	serveDNS(t, w.peer, peerLeft, 2)
	return w
}

// run does it all once, with programs attached by k.
func (w workload) run(t *testing.T, k *Kernel) {
	t.Helper()
	here := w.host.host
	for i := range rounds {
		w.web.dial(t, here).clientFirst()                                                            // connect, states, a TIME_WAIT
		ask(t, here, "udp", peerLeft, uint16(i))                                                     // a name
		mustBind(t, here, unix.AF_INET, unix.SOCK_STREAM, netip.MustParseAddrPort("0.0.0.0:0"), nil) // a port
	}
	w.send(t, peerRight, hostLeft+":4001", rounds)   // dropped by the reverse-path filter
	w.send(t, peerLeft, hostLeft+":4001", rounds)    // refused by an ICMP error
	w.send(t, peerSix, "["+hostSix+"]:4001", rounds) // the same over IPv6
	w.callNobody(t)
	for range 2 { // the first walk finds what the second measures
		if _, err := k.Walk(here.Path, here.ID, 1, 65535); err != nil && !errors.Is(err, ErrBlind) {
			t.Error(err)
		}
		if _, err := k.Connections(here.Path, here.ID, netip.MustParseAddr(peerLeft)); err != nil && !errors.Is(err, ErrBlind) {
			t.Error(err)
		}
	}
}

// callNobody dials an address without a host: each SYN is sent again after a second.
func (w workload) callNobody(t *testing.T) {
	t.Helper()
	to := sockaddr(netip.MustParseAddrPort(nobody), false)
	for range rounds {
		fd := socket(t, w.host.host, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
		if err := unix.Connect(fd, to); !errors.Is(err, unix.EINPROGRESS) {
			t.Fatalf("connect to nobody: %v, want EINPROGRESS", err)
		}
	}
}

// spent is what the programs of one hook have cost together.
type spent struct {
	runs uint64
	time time.Duration
}

func spentBy(t *testing.T, k *Kernel) map[string]spent {
	t.Helper()
	costs, err := k.Costs()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]spent{}
	for _, c := range costs {
		s := sums[c.Hook]
		sums[c.Hook] = spent{s.runs + c.Runs, s.time + c.Time}
	}
	return sums
}

// longest is the number of rungs of the longest ladder.
func longest() (n int) {
	for _, row := range hook.Table() {
		n = max(n, len(row.Rungs))
	}
	return n
}

// TestEveryRungRunsUnderTheSameTraffic logs what a run costs, which is where
// bpf/README.md has it from.
func TestEveryRungRunsUnderTheSameTraffic(t *testing.T) {
	kerneltest.Exclusive(t)
	stats, err := EnableStats()
	if err != nil {
		t.Fatal(err)
	}
	defer stats.Close()
	for i := range longest() {
		// Shorter ladders have been measured: they are left to themselves.
		rungs := map[string]string{}
		for _, row := range hook.Table() {
			if i < len(row.Rungs) {
				rungs[row.Name] = row.Rungs[i].Name
			}
		}
		t.Run(fmt.Sprint("rung ", i), func(t *testing.T) { measure(t, rungs) })
	}
}

func measure(t *testing.T, rungs map[string]string) {
	t.Helper()
	w := newWorkload(t)
	k := mustOpen(t, Options{Rung: rungs})
	w.run(t, k)
	for _, h := range k.Hooks() {
		if h.Rung == "" || h.Rung != rungs[h.Name] || h.Rung == hook.RungDiag {
			continue // the last has no program that could run
		}
		kerneltest.Within(t, 20*time.Second, h.Name+" has run", func() bool { return spentBy(t, k)[h.Name].runs >= sufficient })
		sum := spentBy(t, k)[h.Name]
		t.Logf("cost of %s, %s: %d runs of %d ns", h.Name, h.Rung, sum.runs, uint64(sum.time)/sum.runs)
	}
}
