// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// diamond is a client with two uplinks to a router, which answers what was sent by the
// first by the second, and a server behind it.
type diamond struct{ client, router, server *kerneltest.Netns }

var serverAddr = netip.MustParseAddr("10.78.9.2")

func newDiamond(t *testing.T) diamond {
	t.Helper()
	kerneltest.RequireRoot(t)
	d := diamond{kerneltest.Namespace(t), kerneltest.Namespace(t), kerneltest.Namespace(t)}
	cable := func(a *kerneltest.Netns, nameA, addrA string, b *kerneltest.Netns, nameB, addrB string) {
		kerneltest.Cable(t, kerneltest.End{Netns: a, Name: nameA, Prefix: netip.MustParsePrefix(addrA)},
			kerneltest.End{Netns: b, Name: nameB, Prefix: netip.MustParsePrefix(addrB)})
	}
	cable(d.client, "up0", "10.78.1.2/24", d.router, "r0", "10.78.1.1/24")
	cable(d.client, "up1", "10.78.2.2/24", d.router, "r1", "10.78.2.1/24")
	cable(d.server, "eth0", "10.78.9.2/24", d.router, "r9", "10.78.9.1/24")
	cable(d.client, "six0", "fd78::2/64", d.router, "r6", "fd78::1/64")
	d.client.Run(t, "ip", "route", "add", "default", "via", "10.78.1.1", "metric", "100")
	d.client.Run(t, "ip", "route", "add", "default", "via", "10.78.2.1", "metric", "200")
	d.server.Run(t, "ip", "route", "add", "default", "via", "10.78.9.1")
	d.router.Run(t, "ip", "route", "add", "10.78.1.2/32", "via", "10.78.2.2")
	d.sysctl(t, d.router, "1", "ip_forward")
	for _, name := range []string{"all", "up0", "up1"} {
		d.sysctl(t, d.client, "0", "conf/"+name+"/rp_filter")
	}
	return d
}

func (d diamond) sysctl(t *testing.T, ns *kerneltest.Netns, value, key string) {
	t.Helper()
	ns.Do(t, func() error { return os.WriteFile("/proc/sys/net/ipv4/"+key, []byte(value), 0) })
}

// ask asks, and prints the report as a person gets it.
func ask(t *testing.T, ns *kerneltest.Netns, o Options) *Report {
	t.Helper()
	o.Host = host.New(host.Real())
	var err error
	if o.At, err = o.Host.Resolve(ns.Name); err != nil {
		t.Fatal(err)
	}
	r, err := Ask(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", text.String())
	return r
}

func (r *Report) verdicts() string {
	var words []string
	for _, a := range r.Arrivals {
		words = append(words, a.Iface+" "+string(a.Verdict))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

func TestVerdictsOfADiamondAreTheKernels(t *testing.T) {
	d := newDiamond(t)
	d.sysctl(t, d.client, "1", "conf/up1/rp_filter")
	r := ask(t, d.client, Options{Target: serverAddr})
	if r.Forward.Iface != "up0" || r.From.String() != "10.78.1.2" || r.Reverse.Kind != "local" {
		t.Errorf("forward %+v, from %s, reverse %+v", r.Forward, r.From, r.Reverse)
	}
	if got := r.verdicts(); got != "six0 passes, up0 passes, up1 dropped" {
		t.Errorf("verdicts %s", got)
	}
	d.sysctl(t, d.client, "2", "conf/up1/rp_filter")
	if got := ask(t, d.client, Options{Target: serverAddr}).verdicts(); got != "six0 passes, up0 passes, up1 passes" {
		t.Errorf("verdicts in loose mode %s", got)
	}
}

func TestPolicyRuleDecidesForItsSource(t *testing.T) {
	d := newDiamond(t)
	d.sysctl(t, d.client, "1", "conf/all/rp_filter")
	d.client.Run(t, "ip", "route", "add", "default", "via", "10.78.2.1", "table", "100")
	d.client.Run(t, "ip", "rule", "add", "from", "10.78.2.2", "lookup", "100")
	r := ask(t, d.client, Options{Target: serverAddr, From: netip.MustParseAddr("10.78.2.2")})
	if r.Forward.Iface != "up1" || r.Forward.Table != 100 || len(r.Rules) != 1 || !strings.Contains(r.Rules[0], "from 10.78.2.2 lookup 100") {
		t.Errorf("forward %+v, rules %q", r.Forward, r.Rules)
	}
	if got := r.verdicts(); got != "six0 dropped, up0 dropped, up1 passes" {
		t.Errorf("verdicts %s", got)
	}
}

func TestForwardedAnswerGoesAnotherWay(t *testing.T) {
	d := newDiamond(t)
	r := ask(t, d.router, Options{Target: serverAddr, From: netip.MustParseAddr("10.78.1.2"), Iif: "r0"})
	if r.Forward.Iface != "r9" || r.Reverse.Iface != "r1" || r.Reverse.Gateway.String() != "10.78.2.2" {
		t.Errorf("forward %+v, reverse %+v", r.Forward, r.Reverse)
	}
}

func TestHopsOfBothDirectionsAreTold(t *testing.T) {
	d := newDiamond(t)
	r := ask(t, d.client, Options{Target: serverAddr, Active: true})
	h := r.Hops
	if h == nil || !h.Reached || len(h.Forward) != 2 || h.Forward[1] != serverAddr {
		t.Fatalf("hops %+v", h)
	}
	router := func(last string) []netip.Addr { return []netip.Addr{netip.MustParseAddr(last)} }
	if !slices.Equal(h.Out, router("10.78.9.1")) || !slices.Equal(h.Back, router("10.78.2.1")) {
		t.Errorf("out by %v, back by %v", h.Out, h.Back)
	}
	d.sysctl(t, d.client, "1", "conf/all/rp_filter")
	if lost := ask(t, d.client, Options{Target: serverAddr, Active: true}).Hops; lost.Reached || lost.Why == "" {
		t.Errorf("answers are dropped, and it tells %+v", lost)
	}
}

func TestIPv6HasNoReversePathFilter(t *testing.T) {
	d := newDiamond(t)
	r := ask(t, d.client, Options{Target: netip.MustParseAddr("fd78::1"), Active: true})
	if r.Forward.Iface != "six0" || !strings.Contains(r.verdicts(), "six0 unchecked") || !r.Hops.Reached {
		t.Errorf("forward %+v, verdicts %s, hops %+v", r.Forward, r.verdicts(), r.Hops)
	}
}

func TestUnreachableTargetIsAnAnswer(t *testing.T) {
	d := newDiamond(t)
	r := ask(t, d.router, Options{Target: netip.MustParseAddr("203.0.113.9")})
	if !strings.Contains(r.Forward.Error, "unreachable") {
		t.Errorf("forward %+v", r.Forward)
	}
}

func TestWrongQuestionsAreRefused(t *testing.T) {
	ns := kerneltest.Namespace(t)
	h := host.New(host.Real())
	at, err := h.Resolve(ns.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{
		{Target: serverAddr, From: netip.MustParseAddr("fd78::2")},
		{Target: serverAddr, From: serverAddr, Iif: "nowhere"},
	} {
		o.Host, o.At = h, at
		if _, err := Ask(t.Context(), o); !errors.Is(err, ErrQuestion) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestRecordedRouteIsReadWithinItsBounds(t *testing.T) {
	good := []byte{1, 7, 11, 12, 10, 0, 0, 1, 10, 0, 0, 2, 0}
	if got := addresses(good); len(got) != 2 || got[1].String() != "10.0.0.2" {
		t.Errorf("read %v", got)
	}
	for _, bad := range [][]byte{nil, {7}, {7, 39, 40}, {7, 3, 255, 1, 2}, {68, 4, 5, 0}, {0, 0, 0}} {
		if got := addresses(bad); got != nil {
			t.Errorf("%v: read %v", bad, got)
		}
	}
}
