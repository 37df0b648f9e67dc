// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
	"golang.org/x/sys/unix"
)

// script runs ip(8) commands, one a line, inside a namespace.
func script(t testing.TB, ns *kerneltest.Netns, lines string) {
	t.Helper()
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		ns.Run(t, "ip", strings.Fields(line)...)
	}
}

const odd = `
link add e0 type veth peer name e1
link add e2.100 type veth peer name e3
link set e0 up
link set e1 up
link set e2.100 up mtu 1400
link set e3 up
addr add 10.9.1.1/24 dev e0
addr add 10.9.2.1/24 dev e2.100
addr add 10.9.7.1 peer 10.9.7.2/32 dev e0
addr add 2001:db8::1/64 dev e0 nodad
route add default via 10.9.1.2 dev e0 mtu 1400 metric 5
route add default via 10.9.2.2 dev e2.100 table 100 src 10.9.2.1 proto static
route add default metric 9 nexthop via 10.9.1.3 dev e0 weight 2 nexthop via 10.9.2.3 dev e2.100
route add 10.77.0.0/16 via 10.9.1.2 dev e0 advmss 1300
route add unreachable 10.78.0.0/16
-6 route add default via 2001:db8::2 dev e0
-6 route add default dev e0 metric 7 mtu lock 1300
route add default via inet6 fe80::1 dev e0 metric 77 onlink
rule add from 10.9.2.0/24 lookup 100 pref 1000
rule add to 10.0.0.0/8 iif e0 fwmark 0x1/0xff tos 0x10 lookup 100 pref 1001
rule add fwmark 7 goto 32766 pref 1002
rule add uidrange 1-1000 ipproto tcp dport 80-90 sport 7 lookup main suppress_prefixlength 0 pref 1003
rule add oif e1 blackhole pref 1004
rule add ipproto icmp lookup 100 pref 1005
-6 rule add from 2001:db8::/64 lookup 100 pref 1006
`

func realAnswer[T event.Event](t testing.TB, h *Host, w event.Want) T {
	t.Helper()
	got, err := h.Answer(context.Background(), w)
	if err != nil {
		t.Fatalf("%+v: %v", w, err)
	}
	typed, ok := got.(T)
	if !ok {
		t.Fatalf("%+v: the answer is %+v", w, got)
	}
	return typed
}

// shown gives the lines of an ip(8) listing as this package writes them.
func shown(t testing.TB, ns *kerneltest.Netns, args ...string) []string {
	t.Helper()
	var lines []string
	ns.Do(t, func() error {
		out, err := exec.Command("ip", args...).Output()
		for line := range strings.Lines(string(out)) {
			lines = append(lines, strings.Join(strings.Fields(strings.ReplaceAll(line, "\\", " ")), " "))
		}
		return err
	})
	return lines
}

func TestRoutesAndRulesReadAsIPShowsThem(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	// "not" turns the whole rule around, so that it holds for nearly everything: it has
	// no place where routes are asked for.
	script(t, ns, odd+"rule add not from 10.9.2.1 to 10.0.0.0/8 lookup 100 pref 1007\n")
	got := realAnswer[*event.Routing](t, New(Real()), event.Want{Of: event.KindRouting, Netns: ns.ID})

	var want, texts []string
	for _, line := range append(shown(t, ns, "-o", "route", "show", "table", "all"), shown(t, ns, "-o", "-6", "route", "show")...) {
		// The first listing has the other family's routes too, the second has them again.
		if strings.HasPrefix(line, "default") && !slices.Contains(want, line) {
			want = append(want, line)
		}
	}
	for _, r := range got.Defaults {
		texts = append(texts, r.Text)
	}
	slices.Sort(want)
	slices.Sort(texts)
	if !slices.Equal(texts, want) {
		t.Errorf("default routes\n got %s\nwant %s", strings.Join(texts, "\n     "), strings.Join(want, "\n     "))
	}

	want = want[:0]
	for _, line := range append(shown(t, ns, "-4", "rule"), shown(t, ns, "-6", "rule")...) {
		if !strings.HasPrefix(line, "0:") && !strings.HasPrefix(line, "3276") {
			want = append(want, line)
		}
	}
	if !slices.Equal(got.Rules, want) {
		t.Errorf("rules\n got %s\nwant %s", strings.Join(got.Rules, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestInterfaceSettingsComeFromTheNamespace(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	script(t, ns, odd)
	ns.Sysctl(t, "ipv4/conf/all/rp_filter", "0")
	ns.Sysctl(t, "ipv4/conf/e2.100/rp_filter", "1")
	ns.Sysctl(t, "ipv4/conf/e2.100/accept_local", "1")
	ns.Sysctl(t, "ipv4/conf/e2.100/src_valid_mark", "1")
	ns.Sysctl(t, "ipv4/conf/e2.100/route_localnet", "1")
	ns.Sysctl(t, "ipv4/conf/e0/rp_filter", "2")
	got := realAnswer[*event.Routing](t, New(Real()), event.Want{Of: event.KindRouting, Netns: ns.ID})
	links := map[string]event.Interface{}
	for _, link := range got.Interfaces {
		links[link.Name] = link
	}
	dotted, e0, lo := links["e2.100"], links["e0"], links["lo"]
	if dotted.Effective != 1 || !dotted.AcceptLocal || !dotted.SrcValidMark || !dotted.RouteLocal || dotted.MTU != 1400 || dotted.Type != "veth" {
		t.Errorf("e2.100: %+v", dotted)
	}
	if e0.Effective != 2 || e0.AcceptLocal || e0.SrcValidMark || e0.RouteLocal || !e0.Up || e0.Index == 0 {
		t.Errorf("e0: %+v", e0)
	}
	if lo.Type != "loopback" || lo.Effective != 0 || len(lo.Prefixes) == 0 {
		t.Errorf("lo: %+v", lo)
	}
	for _, want := range []string{"10.9.1.1/24", "10.9.7.1/32", "2001:db8::1/64"} {
		if !slices.Contains(e0.Prefixes, netip.MustParsePrefix(want)) {
			t.Errorf("e0 has %v, want %s among them", e0.Prefixes, want)
		}
	}
}

func TestRouteBackIsTheOneThatTheKernelTakes(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	script(t, ns, odd)
	ns.Sysctl(t, "ipv4/ip_forward", "1")
	h := New(Real())
	for _, question := range []struct{ to, from, dev, text string }{
		{"10.9.1.7", "", "e0", "10.9.1.0/24 dev e0 proto kernel scope link src 10.9.1.1"},
		{"10.77.1.1", "10.9.1.1", "e0", "10.77.0.0/16 via 10.9.1.2 dev e0 advmss 1300"},
		{"10.77.1.1", "10.9.2.1", "e2.100", "default via 10.9.2.2 dev e2.100 table 100 proto static src 10.9.2.1"},
		// A source that is not ours, as a router sees it: its rule counts all the same.
		{"10.77.1.1", "10.9.2.66", "e2.100", "default via 10.9.2.2 dev e2.100 table 100 proto static src 10.9.2.1"},
		{"10.77.1.1", "192.0.2.1", "e0", "10.77.0.0/16 via 10.9.1.2 dev e0 advmss 1300"},
		{"2001:db8::7", "2001:db8:5::1", "e0", "2001:db8::/64 dev e0 proto kernel metric 256 pref medium"},
		{"10.78.0.1", "", "", "no route to host"},
		{"10.9.1.1", "", "e0", "local 10.9.1.1 dev e0 table local proto kernel scope host src 10.9.1.1"},
	} {
		w := event.Want{Of: event.KindRouteBack, Netns: ns.ID, To: netip.MustParseAddr(question.to)}
		if question.from != "" {
			w.From = netip.MustParseAddr(question.from)
		}
		got := realAnswer[*event.RouteBack](t, h, w)
		if text := got.Route.Text + got.Error; got.Route.Iface != question.dev || text != question.text {
			t.Errorf("%s from %q: by %q, %q; want %q, %q", question.to, question.from, got.Route.Iface, text, question.dev, question.text)
		}
	}
}

func TestRouteBackSaysWhereItLeftTheSourceOut(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	script(t, ns, odd)
	ns.Sysctl(t, "ipv4/ip_forward", "0")
	h := New(Real())
	for from, want := range map[string]bool{"192.0.2.1": true, "10.9.1.1": false} {
		w := event.Want{Of: event.KindRouteBack, Netns: ns.ID, To: netip.MustParseAddr("10.77.1.1"), From: netip.MustParseAddr(from)}
		got := realAnswer[*event.RouteBack](t, h, w)
		if !got.Found || got.FromAny != want || got.From != w.From || got.To != w.To {
			t.Errorf("from %s: %+v", from, got)
		}
	}
}

func TestRouteBackOverSeveralHopsNamesTheOneTaken(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	script(t, ns, odd+"route add 10.80.0.0/16 nexthop via 10.9.1.3 dev e0 nexthop via 10.9.2.3 dev e2.100\n")
	h := New(Real())
	taken := map[string]int{}
	for i := range 64 {
		to := netip.AddrFrom4([4]byte{10, 80, 0, byte(i)})
		got := realAnswer[*event.RouteBack](t, h, event.Want{Of: event.KindRouteBack, Netns: ns.ID, To: to})
		taken[got.Route.Iface+" "+got.Route.Gateway.String()]++
	}
	if taken["e0 10.9.1.3"] == 0 || taken["e2.100 10.9.2.3"] == 0 || len(taken) != 2 {
		t.Errorf("64 destinations went by %v", taken)
	}
}

func TestPortSettingsFollowTheNamespacesSysctls(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	ns.Sysctl(t, "ipv4/ip_local_port_range", "40000 40099")
	ns.Sysctl(t, "ipv4/ip_local_reserved_ports", "80,40010-40019")
	ns.Sysctl(t, "ipv4/tcp_tw_reuse", "0")
	ns.Sysctl(t, "ipv4/tcp_timestamps", "0")
	ns.Sysctl(t, "ipv4/tcp_max_tw_buckets", "123")
	got := realAnswer[*event.PortSettings](t, New(Real()), event.Want{Of: event.KindPortSettings, Netns: ns.ID})
	want := event.PortSettings{
		Header: got.Header, Low: 40000, High: 40099, Reserved: "80,40010-40019", ReservedInRange: 10, MaxTWBuckets: 123,
	}
	if *got != want || got.Size() != 90 {
		t.Errorf("got %+v, want %+v", *got, want)
	}
}

func TestHostDoesNotKeepANamespaceAlive(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	h := New(Real())
	realAnswer[*event.Routing](t, h, event.Want{Of: event.KindRouting, Netns: ns.ID})
	if err := unix.Unmount(ns.Path, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	kerneltest.Within(t, 5*time.Second, "the namespace is told to be gone", func() bool {
		got, err := h.Answer(context.Background(), event.Want{Of: event.KindRouting, Netns: ns.ID})
		gone, ok := got.(*event.Namespace)
		return err == nil && ok && gone.Gone
	})
}

func TestVisitorsThreadComesHome(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	inode := inodes()
	for range 100 {
		var there event.Netns
		err := Inside(ns.Path, ns.ID, func() (err error) {
			there, err = inode(ownPath)
			return err
		})
		if err != nil || there != ns.ID {
			t.Fatalf("visited %d, %v, want %d", there, err, ns.ID)
		}
		if here, err := inode(ownPath); err != nil || here != New(Real()).Own() {
			t.Fatalf("came home to %d, %v", here, err)
		}
	}
}

func TestFileThatANamespaceLeftBehindIsNotEntered(t *testing.T) {
	kerneltest.RequireRoot(t)
	path := filepath.Join(t.TempDir(), "left")
	if err := os.WriteFile(path, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, path + "-never-was"} {
		entered := false
		err := Inside(path, 0, func() error { entered = true; return nil })
		if !errors.Is(err, ErrGone) || entered {
			t.Errorf("%s: %v, entered %v", path, err, entered)
		}
	}
	if got, err := inodes()(path); err == nil {
		t.Errorf("its inode is told as %d", got)
	}
}

func BenchmarkRouting(b *testing.B) {
	kerneltest.Exclusive(b)
	for _, size := range []struct{ links, routes int }{{2, 0}, {500, 0}, {2, 100000}} {
		b.Run(fmt.Sprintf("links=%d/routes=%d", size.links, size.routes), func(b *testing.B) {
			ns := kerneltest.Namespace(b)
			batch(b, ns, size.links, size.routes)
			h := New(Real())
			for b.Loop() {
				got := realAnswer[*event.Routing](b, h, event.Want{Of: event.KindRouting, Netns: ns.ID})
				if len(got.Interfaces) < size.links || len(got.Defaults) != 1 {
					b.Fatalf("%d interfaces, %d default routes", len(got.Interfaces), len(got.Defaults))
				}
			}
		})
	}
}

// batch fills a namespace by one ip(8), as a shell loop would take minutes.
func batch(b *testing.B, ns *kerneltest.Netns, links, routes int) {
	b.Helper()
	var lines strings.Builder
	for i := range links / 2 {
		fmt.Fprintf(&lines, "link add a%d type veth peer name b%d\nlink set a%d up\nlink set b%d up\n", i, i, i, i)
	}
	lines.WriteString("addr add 10.0.0.1/24 dev a0\nroute add default via 10.0.0.2 dev a0\n")
	for i := range routes {
		fmt.Fprintf(&lines, "route add 100.%d.%d.%d/32 via 10.0.0.2 dev a0\n", i>>16, i>>8&255, i&255)
	}
	ns.Do(b, func() error {
		ip := exec.Command("ip", "-batch", "-")
		ip.Stdin = strings.NewReader(lines.String())
		out, err := ip.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

func TestInterfaceThatVanishedIsNotCalledStrict(t *testing.T) {
	kerneltest.RequireRoot(t)
	ns := kerneltest.Namespace(t)
	script(t, ns, "link add e0 type veth peer name e1\nlink set e0 up\nlink set e1 up\naddr add 10.9.1.1/24 dev e0")
	to := netip.MustParseAddr("10.9.1.1")
	one := claim{prefix: netip.MustParsePrefix("10.9.1.0/24")}
	ns.Do(t, func() error {
		index, err := linkIndex("e0")
		if err != nil {
			return err
		}
		there := &Device{Interface: event.Interface{Index: index, Name: "e0"}}
		if _, ok := checkClaim(there, one, to, []uint32{0}); !ok {
			t.Error("no verdict of an interface that is there")
		}
		gone := &Device{Interface: event.Interface{Index: index + 100, Name: "e9"}}
		if check, ok := checkClaim(gone, one, to, []uint32{0}); ok {
			t.Errorf("a verdict of one that is gone: %+v", check)
		}
		return nil
	})
}
