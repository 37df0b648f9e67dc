// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// steps makes random steps in the form that Shell keeps whole: prefixes without
// loose bits, and IPv6 set only where no address tells it.
type steps struct{ rand *rand.Rand }

func (s steps) step() finding.Step {
	enters := []finding.Enter{{}, {Name: s.word()}, {Path: "/proc/" + s.word() + "/ns/net"}}
	return finding.Step{Op: s.op(), Enter: enters[s.rand.IntN(len(enters))]}
}

func (s steps) op() finding.Op {
	six := s.chance()
	switch s.rand.IntN(5) {
	case 0:
		return finding.Sysctl{Key: finding.SysctlKey("net", s.pick("eth0", "eth0.1", "a'b"), "rp_filter"), Value: s.pick("", "1", s.word())}
	case 1:
		return finding.LinkOp{Dev: s.word(), MTU: s.number()}
	case 2:
		return finding.RuleOp{Verb: s.pick("add", "del"), From: s.prefix(six), Table: s.number(), Priority: s.number()}
	case 3:
		return finding.NftOp{Command: s.word()}
	default:
		return s.route(six)
	}
}

func (s steps) route(six bool) finding.RouteOp {
	op := finding.RouteOp{
		Verb: s.pick("add", "prepend", "append", "replace", "del"), Dev: s.pick("", s.word()),
		Table: s.number(), Metric: s.number(), MTU: s.number(), AdvMSS: s.number(), OnLink: s.chance(),
	}
	if s.chance() {
		op.Destination = s.prefix(six)
	}
	if s.chance() {
		op.Gateway = s.prefix(six || s.chance() && op.Destination.IsValid()).Addr()
	}
	if s.chance() {
		op.Source = s.prefix(six).Addr()
	}
	op.Protocol = s.pick("", "", "dhcp", "4")
	if s.chance() {
		op.Gateway, op.Dev, op.OnLink, op.Hops = netip.Addr{}, "", false, s.hops(six, op.Destination.IsValid())
	}
	op.IPv6 = six && !op.Six()
	return op
}

func (s steps) hops(six, told bool) (hops []finding.Hop) {
	for range 1 + s.rand.IntN(3) {
		hop := finding.Hop{Dev: s.word(), Weight: 1 + s.rand.Uint32N(256), OnLink: s.chance()}
		if s.chance() {
			hop.Gateway = s.prefix(six || s.chance() && told).Addr()
		}
		hops = append(hops, hop)
	}
	return hops
}

func (s steps) prefix(six bool) netip.Prefix {
	length := 4
	if six {
		length = 16
	}
	b := make([]byte, length)
	for i := range b {
		b[i] = byte(s.rand.Uint32())
	}
	addr, _ := netip.AddrFromSlice(b)
	prefix, _ := addr.Prefix(s.rand.IntN(addr.BitLen() + 1))
	return prefix
}

func (s steps) word() string { return "x" + oddWords[s.rand.IntN(len(oddWords))] }

func (s steps) pick(from ...string) string { return from[s.rand.IntN(len(from))] }

func (s steps) chance() bool { return s.rand.IntN(2) == 0 }

func (s steps) number() uint32 { return s.rand.Uint32() >> s.rand.IntN(33) }

func FuzzParseUndoesShell(f *testing.F) {
	for seed := range uint64(2000) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		want := steps{rand.New(rand.NewPCG(seed, 0))}.step()
		got, err := finding.ParseStep(want.Shell())
		if err != nil {
			t.Fatalf("parse %s: %v", want.Shell(), err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %#v\nwant %#v", want.Shell(), got, want)
		}
	})
}

func FuzzParsedOperationRendersToItself(f *testing.F) {
	for _, line := range []string{
		"sysctl -w a=b", "ip -6 route add default dev x", "ip netns exec a sh -c 'sysctl -w a=b'", "nft \"x\"",
		"ip route add 1.2.3.4 via inet6 ::1", "nsenter --net=/x ip rule add from all lookup main pref 3", "'", "\\",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		step, err := finding.ParseStep(line)
		if err != nil {
			return
		}
		if _, person := step.Op.(finding.Command); person {
			return
		}
		again, err := finding.ParseStep(step.Shell())
		if err != nil || again.Shell() != step.Shell() || again.Enter != step.Enter {
			t.Errorf("%q is %#v, rendered %q, and that is %#v (%v)", line, step, step.Shell(), again, err)
		}
	})
}

func TestParseLeavesWhatTheAgentDoesNotRunToAPerson(t *testing.T) {
	blue := finding.Enter{Name: "blue"}
	for line, want := range map[string]finding.Step{
		"ss -tan state time-wait | wc -l":      {Op: finding.Command{Line: "ss -tan state time-wait | wc -l"}},
		"# it's a remark":                      {Op: finding.Command{Line: "# it's a remark"}},
		"ip netns exec blue ss -tan":           {Op: finding.Command{Line: "ss -tan"}, Enter: blue},
		"ip netns exec blue sh -c 'a; b'":      {Op: finding.Command{Line: "a; b"}, Enter: blue},
		"ip netns exec blue sysctl -w a=b; id": {Op: finding.Command{Line: "sysctl -w a=b; id"}, Enter: blue},
		"sysctl -w a=$(id)":                    {Op: finding.Command{Line: "sysctl -w a=$(id)"}},
		"sysctl -w a=1 b=2":                    {Op: finding.Command{Line: "sysctl -w a=1 b=2"}},
		"sysctl -w a":                          {Op: finding.Command{Line: "sysctl -w a"}},
		"ip route add 10.0.0.0/8 encap mpls 3": {Op: finding.Command{Line: "ip route add 10.0.0.0/8 encap mpls 3"}},
		"ip route add 10.0.0.0/8 via":          {Op: finding.Command{Line: "ip route add 10.0.0.0/8 via"}},
		"ip -6 route add 10.0.0.0/8 dev x":     {Op: finding.Command{Line: "ip -6 route add 10.0.0.0/8 dev x"}},
		"ip route flush 10.0.0.0/8":            {Op: finding.Command{Line: "ip route flush 10.0.0.0/8"}},
		"ip netns exec blue":                   {Op: finding.Command{Line: "ip netns exec blue"}},
		"nft list ruleset":                     {Op: finding.Command{Line: "nft list ruleset"}},
	} {
		got, err := finding.ParseStep(line)
		if err != nil || got != want {
			t.Errorf("%s\n got %#v, %v\nwant %#v", line, got, err, want)
		}
	}
}

func TestParseRefusesAnEmptyLineAndAnOpenQuote(t *testing.T) {
	for _, line := range []string{"", " \t", "sysctl -w 'a=b", "ip link set dev \"x"} {
		if step, err := finding.ParseStep(line); err == nil {
			t.Errorf("%q: got %#v, want an error", line, step)
		}
	}
}
