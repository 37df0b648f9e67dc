// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// place makes a namespace, line by line of ip(8).
func place(t *testing.T, lines string) *kerneltest.Netns {
	t.Helper()
	kerneltest.RequireRoot(t)
	ns := kerneltest.Namespace(t)
	for line := range strings.Lines(lines) {
		ns.Run(t, "ip", strings.Fields(line)...)
	}
	return ns
}

func expect(t *testing.T, ns *kerneltest.Netns, f finding.Finding, want Verdict, says string) {
	t.Helper()
	f.ID, f.Netns = "f", finding.Netns{Inode: uint32(ns.ID), Name: ns.Name}
	report, err := Verify(context.Background(), Options{Host: host.New(host.Real()), Finding: &f})
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(report.Says, "; "); report.Verdict != want || !strings.Contains(text, says) {
		t.Errorf("%s: %s, want %s with %q", report.Verdict, text, want, says)
	}
}

const street = `link add a0 type veth peer name b0
link add a1 type veth peer name b1
addr add 10.1.0.1/24 dev a0
addr add 10.1.1.1/24 dev a1
link set a0 up
link set a1 up
link set b0 up
link set b1 up
route add default via 10.1.0.2 dev a0
`

func TestReversePathIsAskedFromTheKernel(t *testing.T) {
	ns := place(t, street)
	f := finding.Finding{Cause: "rp-filter-strict", Ingress: "a1", Flow: finding.Flow{
		Source: netip.MustParseAddr("192.0.2.7"), Destination: netip.MustParseAddr("10.1.0.1"),
	}}
	ns.Sysctl(t, "ipv4/conf/all/rp_filter", "1")
	expect(t, ns, f, There, "effective rp_filter on a1 is 1 = max(all 1, a1 0)")
	ns.Sysctl(t, "ipv4/conf/all/rp_filter", "0")
	expect(t, ns, f, Mended, "gets in now")
	ns.Sysctl(t, "ipv4/conf/a1/rp_filter", "1")
	expect(t, ns, f, There, "is dropped")
	ns.Run(t, "ip", "route", "add", "192.0.2.0/24", "via", "10.1.1.2", "dev", "a1")
	expect(t, ns, f, Mended, "gets in now")
	ns.Run(t, "ip", "link", "del", "a1")
	expect(t, ns, f, Mended, "a1 is gone")
}

func TestEqualDefaultRoutesAreDialledByEach(t *testing.T) {
	near := place(t, "")
	far := kerneltest.Namespace(t)
	for i := range 2 {
		at := func(host byte) netip.Prefix {
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 78, byte(i), host}), 24)
		}
		kerneltest.Cable(t, kerneltest.End{Netns: near, Name: fmt.Sprintf("up%d", i), Prefix: at(2)}, kerneltest.End{Netns: far, Name: fmt.Sprintf("far%d", i), Prefix: at(1)})
	}
	far.Run(t, "ip", "addr", "add", "198.51.100.7/32", "dev", "lo")
	far.Run(t, "ip", "link", "set", "lo", "up")
	f := finding.Finding{Cause: "multiple-default-routes", Egress: "up0", Flow: finding.Flow{Destination: netip.MustParseAddr("198.51.100.7"), DestinationPort: 443}}
	expect(t, near, f, Mended, "no default route leaves by up0")
	near.Run(t, "ip", "route", "add", "default", "metric", "50", "nexthop", "via", "10.78.0.1", "dev", "up0", "nexthop", "via", "10.78.1.1", "dev", "up1")
	expect(t, near, f, Mended, "answered 3 of 3 connections by up0") // it refuses them: an answer
	far.Run(t, "nft", "add table ip w; add chain ip w in { type filter hook input priority 0; }; add rule ip w in iifname far0 tcp flags syn drop")
	expect(t, near, f, There, "198.51.100.7:443 answers by up1, and not by up0")
	near.Run(t, "ip", "route", "del", "default")
	near.Run(t, "ip", "route", "add", "default", "via", "10.78.0.1", "metric", "50")
	near.Run(t, "ip", "route", "append", "default", "via", "10.78.1.1", "metric", "50")
	expect(t, near, f, There, "the default route by up0 has the same metric as that by up1")
	far.Run(t, "nft", "add rule ip w in tcp flags syn drop")
	expect(t, near, f, Unverified, "answers neither by up0 nor by up1")
	near.Run(t, "ip", "route", "del", "default", "via", "10.78.1.1", "metric", "50")
	expect(t, near, f, Mended, "has a metric of its own")
}

func TestRouterIsMendedByARuleARouteOrAClamp(t *testing.T) {
	ns := place(t, street)
	f := finding.Finding{Cause: "icmp-dropped-outbound", Flow: finding.Flow{
		Source: netip.MustParseAddr("192.0.2.7"), Destination: netip.MustParseAddr("10.1.1.9"),
	}}
	expect(t, ns, f, Mended, "get out by a0")
	ns.Run(t, "nft", "add table inet w; add chain inet w out { type filter hook output priority 0; }; add rule inet w out icmp type destination-unreachable drop")
	expect(t, ns, f, There, "inet w out")
	ns.Run(t, "nft", "insert rule inet w out icmp type destination-unreachable icmp code frag-needed accept")
	expect(t, ns, f, Mended, "get out by a0")
	ns.Run(t, "ip", "route", "del", "default")
	expect(t, ns, f, There, "no route to 192.0.2.7")
	ns.Run(t, "nft", "add table inet c; add chain inet c f { type filter hook forward priority mangle; }; add rule inet c f tcp flags syn tcp option maxseg size set rt mtu")
	expect(t, ns, f, Mended, "keeps the MSS")
}

func TestPortsAreCountedAndABindIsTried(t *testing.T) {
	ns := place(t, street)
	ns.Sysctl(t, "ipv4/ip_local_port_range", "20000 20003")
	source := netip.MustParseAddr("10.1.0.1")
	f := finding.Finding{Cause: "bind-pool-exhausted", Flow: finding.Flow{Source: source}}
	expect(t, ns, f, Mended, "finds a port")
	var held []int
	ns.Do(t, func() error {
		for range 4 {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			held = append(held, fd)
			if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: source.As4()}); err != nil {
				return err
			}
		}
		return nil
	})
	expect(t, ns, f, There, "address already in use")
	for _, fd := range held {
		_ = unix.Close(fd)
	}
	expect(t, ns, f, Mended, "finds a port")
}

func TestLiveConnectionsAreHeldAgainstTheRange(t *testing.T) {
	ns := place(t, "")
	ns.Sysctl(t, "ipv4/ip_local_port_range", "20000 20009")
	var server net.Listener
	ns.Do(t, func() (err error) {
		server, err = net.Listen("tcp", "127.0.0.1:7777")
		return err
	})
	defer server.Close()
	f := finding.Finding{Cause: "ports-held-by-live-connections", Flow: finding.Flow{
		Source: netip.MustParseAddr("127.0.0.1"), Destination: netip.MustParseAddr("127.0.0.1"), DestinationPort: 7777,
	}}
	expect(t, ns, f, Mended, "10 ports")
	var held []net.Conn
	ns.Do(t, func() error {
		for range 9 {
			conn, err := net.Dial("tcp", "127.0.0.1:7777")
			if err != nil {
				return err
			}
			held = append(held, conn)
		}
		return nil
	})
	expect(t, ns, f, There, "9 live")
	ns.Sysctl(t, "ipv4/ip_local_port_range", "20000 20999")
	expect(t, ns, f, Mended, "9 live")
	for _, conn := range held {
		_ = conn.Close()
	}
}

func TestSearchListIsJudgedByTheProgramsFile(t *testing.T) {
	ns := place(t, "")
	conf := "/etc/netns/" + ns.Name + "/resolv.conf"
	if err := os.MkdirAll("/etc/netns/"+ns.Name, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll("/etc/netns/" + ns.Name) })
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := finding.Finding{Cause: "ndots-expansion", DNS: &finding.DNS{Question: "api.example.org", Ndots: 5, Search: []string{"a.example", "b.example"}}}
	write("search a.example b.example\noptions ndots:5\n")
	expect(t, ns, f, There, "ndots:5")
	write("search a.example b.example\noptions ndots:5\n\noptions ndots:2\n")
	expect(t, ns, f, Mended, "as it is")
	f.DNS.Ndots = 1
	expect(t, ns, f, Unverified, "list of its own")
}

func TestWhatCannotBeSeenIsNotMended(t *testing.T) {
	ns := place(t, street)
	f := finding.Finding{Cause: "path-drops-large-packets", Flow: finding.Flow{
		Source: netip.MustParseAddr("10.1.0.1"), Destination: netip.MustParseAddr("10.1.0.2"), Direction: "egress",
	}}
	expect(t, ns, f, Unverified, "does not answer")
	f.Cause = "no-such-cause"
	expect(t, ns, f, Unverified, "only traffic can tell")
	f.Netns.Inode = 1
	report, err := Verify(context.Background(), Options{Host: host.New(host.Real()), Finding: &f})
	if err != nil || report.Verdict != Unverified || !slices.ContainsFunc(report.Says, func(s string) bool { return strings.Contains(s, "gone") }) {
		t.Errorf("a namespace that is gone: %+v, %v", report, err)
	}
}
