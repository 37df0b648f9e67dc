// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/event"
)

func TestNamesAreReadAsTheyAreTyped(t *testing.T) {
	for word, want := range map[string]string{
		"WWW.Example.org": "www.example.org", "www.example.org.": "www.example.org", "web": "web", ".": ".", "_x._tcp.a": "_x._tcp.a",
	} {
		if got, err := ParseName(word); got != want || err != nil {
			t.Errorf("%q: %q, %v", word, got, err)
		}
	}
	for _, word := range []string{
		"", "..", "a..b", ".a", "a b", "caf\u00e9.fr", "a\x1b[m", `a\.b`, strings.Repeat("a", 64) + ".org", strings.Repeat("a.", 127) + "org",
	} {
		if got, err := ParseName(word); err == nil {
			t.Errorf("%q is taken as %q", word, got)
		} else if !printable(err.Error()) {
			t.Errorf("%q: %q", word, err)
		}
	}
}

func TestAncestorsAreBoundedAndHaveTopAndBottom(t *testing.T) {
	if got := ancestors("a.b.test"); !slices.Equal(got, []string{".", "test", "b.test", "a.b.test"}) {
		t.Errorf("got %v", got)
	}
	long := strings.Repeat("1.", 32) + "ip6.arpa"
	got := ancestors(long)
	if len(got) != topZones+bottomZones || got[0] != "." || got[1] != "arpa" || got[len(got)-1] != long {
		t.Errorf("got %v", got)
	}
}

func TestWithinKeepsToLabels(t *testing.T) {
	if !within("a.example.org", "example.org") || !within("x", ".") || within("badexample.org", "example.org") || within("org", "example.org") {
		t.Error("within is wrong about a label")
	}
}

func TestSearchListIsToldWhereItPlaysAPart(t *testing.T) {
	list := []string{"default.svc.cluster.local", "svc.cluster.local", "cluster.local"}
	s := NewSearch("Api.example.org", 5, list)
	if s == nil || s.Before != 3 || s.Questions != 6 || s.WouldTry[0] != "api.example.org.default.svc.cluster.local." || s.WouldTry[3] != "api.example.org." {
		t.Errorf("got %+v", s)
	}
	for _, typed := range []string{"api.example.org.", "a.b.c.d.e.f"} {
		if s := NewSearch(typed, 5, list); s != nil {
			t.Errorf("%s: %+v", typed, s)
		}
	}
	if s := NewSearch("web", 1, nil); s != nil {
		t.Errorf("no list: %+v", s)
	}
}

func TestLayersAreToldApart(t *testing.T) {
	addr := netip.MustParseAddr
	for name, c := range map[string]struct {
		file event.Resolver
		want []Server
	}{
		"no server": {event.Resolver{}, []Server{at(Stub, "127.0.0.1")}},
		"systemd": {
			event.Resolver{Nameservers: []netip.Addr{addr("127.0.0.53")}, Upstreams: []netip.Addr{addr("192.0.2.53"), addr("2001:db8::53")}},
			[]Server{at(Stub, "127.0.0.53"), at(Upstream, "192.0.2.53"), at(Upstream, "2001:db8::53")},
		},
		"plain": {
			event.Resolver{Nameservers: []netip.Addr{addr("192.0.2.53"), addr("::1")}, Search: []string{"svc.example.org", "example.org"}},
			[]Server{at(Resolver, "192.0.2.53"), at(Stub, "::1")},
		},
		"pod with a stub": {
			event.Resolver{Nameservers: []netip.Addr{addr("127.0.0.1")}, Search: []string{"a.svc.k8s.test", "svc.k8s.test"}},
			[]Server{at(Stub, "127.0.0.1")},
		},
		"pod": {
			event.Resolver{Nameservers: []netip.Addr{addr("10.96.0.10")}, Search: []string{"a.svc.cluster.local", "svc.cluster.local", "cluster.local"}},
			[]Server{at(Cluster, "10.96.0.10")},
		},
	} {
		if got := Layers(&c.file); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	pods := []event.Resolver{
		{Nameservers: []netip.Addr{addr("10.96.0.10"), addr("127.0.0.1")}, Search: []string{"b.svc.k8s.test", "svc.k8s.test"}},
		{Nameservers: []netip.Addr{addr("127.0.0.11")}},
	}
	if got := ClusterLayers(pods); !slices.Equal(got, []Server{at(Cluster, "10.96.0.10")}) {
		t.Errorf("pods: %v", got)
	}
}

func TestAddressIsAskedOnceInItsFirstLayer(t *testing.T) {
	mapped := Server{Given, netip.MustParseAddrPort("[::ffff:192.0.2.53]:53")}
	got := once([]Server{at(Resolver, "192.0.2.53"), mapped, at(Upstream, "192.0.2.53"), at(Given, "192.0.2.54")})
	if !slices.Equal(got, []Server{at(Resolver, "192.0.2.53"), at(Given, "192.0.2.54")}) {
		t.Errorf("got %v", got)
	}
}

func TestReportForPeopleHasALineAServerAndAWordOnTheSearchList(t *testing.T) {
	ttl := uint32(37)
	r := &Report{
		Name: "web", Type: "A", Verdict: VerdictBehind, Says: []string{"somebody is behind"},
		Servers: []Row{
			{Layer: Stub, Server: "127.0.0.53", Port: 53, RCode: "NOERROR", Flags: []string{"RD", "RA"}, Protocol: "tcp", Answers: []string{"192.0.2.1"}, TTLLeft: &ttl, Latency: 1.25, Status: Behind},
			{Layer: Given, Server: "2001:db8::1", Port: 5353, Error: "does not answer", Status: Silent, Latency: 2000},
			{Layer: Authority, Server: "192.0.2.53", Port: 53, Host: "ns1.test", RCode: "NXDOMAIN", NegativeTTLLeft: &ttl, Status: Current},
		},
		Search: NewSearch("web", 2, []string{"a.test"}),
	}
	var text strings.Builder
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	squeezed := strings.Join(strings.Fields(text.String()), " ")
	for _, want := range []string{
		"stub 127.0.0.53 192.0.2.1 37 s 1.2 ms RD RA tcp NOERROR behind", "given [2001:db8::1]:5353 does not answer - 2000.0 ms - - silent",
		"authority 192.0.2.53 ns1.test nothing 37 s", "web. A: behind somebody is behind", "asks web.a.test. web., in this order (ndots:2): 1 names and 2 questions",
	} {
		if !strings.Contains(squeezed, want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}
