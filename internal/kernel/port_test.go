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

func awaitFailure(t *testing.T, e *ear, ns *kerneltest.Netns, count uint64) *event.PortFailure {
	t.Helper()
	var found *event.PortFailure
	kerneltest.Within(t, 20*time.Second, "the failures are told", func() bool {
		found = e.lastFailure(func(f *event.PortFailure) bool { return f.Netns == ns.ID && f.Count >= count })
		return found != nil
	})
	return found
}

// checkFailure compares all but time and command name, which must be there.
func checkFailure(t *testing.T, got *event.PortFailure, want event.PortFailure) {
	t.Helper()
	if got.Owner.Comm == "" || got.Owner.Cgroup == 0 || got.Time == 0 {
		t.Errorf("owner %+v at %d", got.Owner, got.Time)
	}
	want.Header, want.Owner = got.Header, event.Owner{PID: uint32(os.Getpid()), Comm: got.Owner.Comm, Cgroup: got.Owner.Cgroup}
	if *got != want {
		t.Errorf("failure %+v, want %+v", got, want)
	}
}

type connectTest struct {
	name        string
	rung        string
	destination string
	family      int
	source      string
}

func connectTests() []connectTest {
	return []connectTest{
		{"IPv4", hook.RungTracepointBTF, "127.0.0.1:5000", unix.AF_INET, "127.0.0.1"},
		{"IPv4 raw", hook.RungTracepointRaw, "127.0.0.1:5000", unix.AF_INET, "127.0.0.1"},
		{"IPv4 classic", hook.RungTracepoint, "127.0.0.1:5000", unix.AF_INET, "127.0.0.1"},
		{"IPv6", hook.RungTracepointBTF, "[::1]:5000", unix.AF_INET6, "::1"},
		{"IPv4 by an IPv6 socket", hook.RungTracepointBTF, "127.0.0.1:5000", unix.AF_INET6, "127.0.0.1"},
	}
}

func TestConnectWithoutAPortIsToldWithItsOwner(t *testing.T) {
	kerneltest.Exclusive(t)
	for _, test := range connectTests() {
		t.Run(test.name, func(t *testing.T) {
			ns := narrow(t)
			k := mustOpen(t, Options{
				Netns:       []event.Netns{ns.ID},
				Sights:      []string{hook.SightTCP},
				Rung:        map[string]string{"inet_sock_set_state": test.rung},
				SampleEvery: time.Hour,
			})
			e := listen(t, k)
			s := serve(t, ns, test.destination)
			for range portCount {
				s.dial(t, ns)
			}
			for range 3 {
				connectInVain(t, ns, test, s.address)
			}
			got := awaitFailure(t, e, ns, 3)
			checkFailure(t, got, event.PortFailure{
				Op: event.PortConnect, Source: netip.MustParseAddr(test.source), Destination: s.address, Count: 3,
			})
		})
	}
}

func connectInVain(t *testing.T, ns *kerneltest.Netns, test connectTest, to netip.AddrPort) {
	t.Helper()
	fd := socket(t, ns, test.family, unix.SOCK_STREAM)
	err := unix.Connect(fd, sockaddr(to, test.family == unix.AF_INET6))
	if !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Fatalf("connect: %v, want EADDRNOTAVAIL", err)
	}
}

func TestRefusedAndAbandonedConnectsAreNoPortFailure(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := narrow(t)
	k := mustOpen(t, Options{Netns: []event.Netns{ns.ID}, Sights: []string{hook.SightTCP}})
	e := listen(t, k)
	nobody := netip.MustParseAddrPort("127.0.0.1:5999")
	for range portCount * 2 {
		fd := socket(t, ns, unix.AF_INET, unix.SOCK_STREAM)
		if err := unix.Connect(fd, sockaddr(nobody, false)); !errors.Is(err, unix.ECONNREFUSED) {
			t.Fatalf("connect: %v, want ECONNREFUSED", err)
		}
	}
	e.hush()
	if f := e.lastFailure(func(*event.PortFailure) bool { return true }); f != nil {
		t.Errorf("told %+v", f)
	}
	if p := e.lastPressure(ns.ID); p == nil || p.Opens != portCount*2 || p.TimeWaits != 0 {
		t.Errorf("pressure %+v, want %d opens that left nothing", p, portCount*2)
	}
}

type bindTest struct {
	name   string
	family int
	source string
}

func bindTests() []bindTest {
	return []bindTest{
		{"an address", unix.AF_INET, "127.0.0.1"},
		{"the wildcard", unix.AF_INET, "0.0.0.0"},
		{"an IPv6 address", unix.AF_INET6, "::1"},
		{"the IPv6 wildcard", unix.AF_INET6, "::"},
	}
}

func TestBindWithoutAPortIsToldWithItsOwner(t *testing.T) {
	kerneltest.Exclusive(t)
	for _, test := range bindTests() {
		t.Run(test.name, func(t *testing.T) {
			ns := narrow(t)
			k := mustOpen(t, Options{Netns: []event.Netns{ns.ID}, Sights: []string{hook.SightBind}, SampleEvery: time.Hour})
			e := listen(t, k)
			anyPort := netip.AddrPortFrom(netip.MustParseAddr(test.source), 0)
			for range portCount {
				mustBind(t, ns, test.family, unix.SOCK_STREAM, anyPort, nil)
			}
			for range 3 {
				mustBind(t, ns, test.family, unix.SOCK_STREAM, anyPort, unix.EADDRINUSE)
			}
			checkFailure(t, awaitFailure(t, e, ns, 3), event.PortFailure{
				Op: event.PortBind, Source: netip.MustParseAddr(test.source), Count: 3,
			})
		})
	}
}

// Where a rung attaches depends on the kernel; the tests in virtual machines try them all.
func TestEveryBindRungThatStandsCountsAlike(t *testing.T) {
	kerneltest.Exclusive(t)
	stood := 0
	for _, rung := range []string{hook.RungFexit, hook.RungKretprobe, hook.RungTracepoint} {
		ns := narrow(t)
		k := mustOpen(t, Options{
			Netns:  []event.Netns{ns.ID},
			Sights: []string{hook.SightBind},
			Rung:   map[string]string{"inet_csk_get_port": rung},
		})
		if report := reportOf(t, k, "inet_csk_get_port"); report.Rung == "" {
			t.Logf("%s: %s", rung, report.Blind)
			continue
		}
		stood++
		e := listen(t, k)
		source := netip.MustParseAddrPort("127.0.0.1:0")
		for range portCount {
			mustBind(t, ns, unix.AF_INET, unix.SOCK_STREAM, source, nil)
		}
		for range 3 {
			mustBind(t, ns, unix.AF_INET, unix.SOCK_STREAM, source, unix.EADDRINUSE)
		}
		checkFailure(t, awaitFailure(t, e, ns, 3), event.PortFailure{Op: event.PortBind, Source: source.Addr(), Count: 3})
	}
	if stood == 0 {
		t.Error("no rung stands")
	}
}

func mustBind(t *testing.T, ns *kerneltest.Netns, family, kind int, to netip.AddrPort, want error) {
	t.Helper()
	fd := socket(t, ns, family, kind)
	if err := unix.Bind(fd, sockaddr(to, family == unix.AF_INET6)); !errors.Is(err, want) {
		t.Fatalf("bind %v: %v, want %v", to, err, want)
	}
}

func TestBusyPortsAndDatagramSocketsAreNoBindFailure(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := narrow(t)
	k := mustOpen(t, Options{Netns: []event.Netns{ns.ID}, Sights: []string{hook.SightBind}})
	e := listen(t, k)
	busy := serve(t, ns, "127.0.0.1:5000").address
	mustBind(t, ns, unix.AF_INET, unix.SOCK_STREAM, busy, unix.EADDRINUSE)
	anyPort := netip.MustParseAddrPort("127.0.0.1:0")
	for range portCount {
		mustBind(t, ns, unix.AF_INET, unix.SOCK_DGRAM, anyPort, nil)
	}
	mustBind(t, ns, unix.AF_INET, unix.SOCK_DGRAM, anyPort, unix.EADDRINUSE)
	e.hush()
	if f := e.lastFailure(func(*event.PortFailure) bool { return true }); f != nil {
		t.Errorf("told %+v", f)
	}
}
