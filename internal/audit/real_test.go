// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// uplinks is a namespace with two uplinks to a second one: its default routes go by
// up0, then by up1.
type uplinks struct{ host, far *kerneltest.Netns }

func newUplinks(t *testing.T) uplinks {
	t.Helper()
	kerneltest.RequireRoot(t)
	u := uplinks{kerneltest.Namespace(t), kerneltest.Namespace(t)}
	for i, name := range []string{"up0", "up1"} {
		third := byte(i + 1)
		kerneltest.Cable(t,
			kerneltest.End{Netns: u.host, Name: name, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, third, 2}), 24)},
			kerneltest.End{Netns: u.far, Name: "far" + name, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, third, 1}), 24)})
	}
	u.sysctl(t, "0", "all", "up0", "up1")
	u.host.Run(t, "ip", "route", "add", "default", "via", "10.77.1.1", "metric", "100")
	u.host.Run(t, "ip", "route", "add", "default", "via", "10.77.2.1", "metric", "200")
	return u
}

// sysctl sets rp_filter.
func (u uplinks) sysctl(t *testing.T, value string, names ...string) {
	t.Helper()
	u.host.Do(t, func() error {
		for _, name := range names {
			if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/rp_filter", []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// audited gives the results about a namespace, each of which must obey the schema.
func audited(t *testing.T, ns *kerneltest.Netns, traps ...finding.Trap) []Result {
	t.Helper()
	h := host.New(host.Real())
	at, err := h.Resolve(ns.Name)
	if err != nil {
		t.Fatal(err)
	}
	var results []Result
	if err := Run(t.Context(), Options{Host: h, Targets: []host.Target{at}, Traps: traps}, func(r Result) { results = append(results, r) }); err != nil {
		t.Fatal(err)
	}
	for i := range results {
		obeysSchema(t, &results[i])
		if results[i].Level == Blind {
			t.Errorf("blind: %s", results[i].Evidence)
		}
	}
	return results
}

func obeysSchema(t *testing.T, r *Result) {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.AddResource("check.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("check.json")
	if err != nil {
		t.Fatal(err)
	}
	line, err := r.AppendJSON(nil, Observer{Host: "h", Version: "v"})
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(line, &document); err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(document); err != nil {
		t.Errorf("%s: %v", line, err)
	}
}

// expect wants exactly these troubles, as "level cause subject".
func expect(t *testing.T, results []Result, want ...string) {
	t.Helper()
	var got []string
	for _, r := range results {
		if r.Level != OK {
			got = append(got, strings.TrimSpace(string(r.Level)+" "+string(r.Cause)+" "+r.Subject))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("it tells\n%q, want\n%q", got, want)
		for _, r := range results {
			t.Logf("%s %s %s: %s %q", r.Level, r.Cause, r.Subject, r.Message, r.Evidence)
		}
	}
}

func TestStrictSecondUplinkIsAFaultAndLooseIsNot(t *testing.T) {
	u := newUplinks(t)
	expect(t, audited(t, u.host))
	u.sysctl(t, "2", "up1")
	expect(t, audited(t, u.host))
	u.sysctl(t, "1", "up1")
	expect(t, audited(t, u.host), "fault rp-filter-strict up1")
	u.sysctl(t, "0", "up1")
	u.sysctl(t, "1", "all")
	expect(t, audited(t, u.host), "fault rp-filter-strict up1")
	u.sysctl(t, "2", "all")
	expect(t, audited(t, u.host))
}

func TestStrictUplinkWithATableOfItsOwnIsFine(t *testing.T) {
	u := newUplinks(t)
	u.sysctl(t, "1", "all")
	u.host.Run(t, "ip", "route", "add", "default", "via", "10.77.2.1", "table", "100")
	u.host.Run(t, "ip", "rule", "add", "from", "10.77.2.2", "lookup", "100")
	expect(t, audited(t, u.host))
}

func TestStrictOneUplinkIsFine(t *testing.T) {
	u := newUplinks(t)
	u.sysctl(t, "1", "all")
	u.host.Run(t, "ip", "route", "del", "default", "via", "10.77.2.1")
	expect(t, audited(t, u.host))
}

func TestStrictUplinksThatShareTheirLoadAreFine(t *testing.T) {
	u := newUplinks(t)
	u.sysctl(t, "1", "all")
	u.host.Run(t, "ip", "route", "flush", "0/0")
	u.host.Run(t, "ip", "route", "add", "default", "nexthop", "via", "10.77.1.1", "nexthop", "via", "10.77.2.1")
	expect(t, audited(t, u.host))
}

// WireGuard's own setup: what has no mark goes into the tunnel, what comes back is
// given the mark again.
func TestStrictUplinkUnderAMarkedTunnelIsFine(t *testing.T) {
	u := newUplinks(t)
	u.host.Run(t, "ip", "route", "del", "default", "via", "10.77.2.1")
	u.host.Run(t, "ip", "route", "add", "default", "via", "10.77.2.1", "table", "51820")
	u.host.Run(t, "ip", "rule", "add", "not", "fwmark", "51820", "lookup", "51820")
	u.sysctl(t, "1", "up0")
	expect(t, audited(t, u.host, finding.AsymmetricRouting), "fault rp-filter-strict up0")
	u.host.Do(t, func() error {
		return os.WriteFile("/proc/sys/net/ipv4/conf/all/src_valid_mark", []byte("1"), 0)
	})
	expect(t, audited(t, u.host, finding.AsymmetricRouting))
}

func TestDefaultRoutesOfOneMetricAreARisk(t *testing.T) {
	u := newUplinks(t)
	u.host.Run(t, "ip", "route", "append", "default", "via", "10.77.2.1", "metric", "100")
	expect(t, audited(t, u.host), "risk multiple-default-routes IPv4 table 254 metric 100")
}

func TestUnequalLinksAreRisksWhereverTheOtherEndIs(t *testing.T) {
	u := newUplinks(t)
	u.far.Run(t, "ip", "link", "set", "farup1", "mtu", "1400")
	expect(t, audited(t, u.host), "risk link-drops-oversize up1")
	expect(t, audited(t, u.far), "risk link-drops-oversize farup1")
	u.host.Run(t, "ip", "link", "set", "up1", "mtu", "1400")
	expect(t, audited(t, u.host))
	u.host.Run(t, "ip", "route", "add", "10.88.0.0/16", "via", "10.77.2.1", "mtu", "1500")
	expect(t, audited(t, u.host), "fault link-drops-oversize 10.88.0.0/16 via 10.77.2.1 dev up1 mtu 1500")
}

func TestBridgePortsOfDifferentMTUAreARisk(t *testing.T) {
	u := newUplinks(t)
	u.far.Run(t, "ip", "link", "add", "br0", "type", "bridge")
	u.far.Run(t, "ip", "link", "set", "br0", "up")
	u.far.Run(t, "ip", "link", "set", "farup0", "master", "br0")
	u.far.Run(t, "ip", "link", "set", "farup1", "master", "br0")
	expect(t, audited(t, u.far))
	u.far.Run(t, "ip", "link", "set", "farup1", "mtu", "1400")
	u.host.Run(t, "ip", "link", "set", "up1", "mtu", "1400")
	expect(t, audited(t, u.far), "risk link-drops-oversize br0")
}

func TestTunnelLargerThanItsUnderlayIsARisk(t *testing.T) {
	u := newUplinks(t)
	u.host.Run(t, "ip", "link", "add", "vx0", "type", "vxlan", "id", "7", "remote", "10.77.1.1", "dstport", "4789", "dev", "up0")
	u.host.Run(t, "ip", "addr", "add", "10.99.0.1/24", "dev", "vx0")
	u.host.Run(t, "ip", "link", "set", "vx0", "up")
	expect(t, audited(t, u.host))
	u.host.Run(t, "ip", "link", "set", "up0", "mtu", "1400")
	u.far.Run(t, "ip", "link", "set", "farup0", "mtu", "1400")
	expect(t, audited(t, u.host), "risk overlay-mtu-mismatch vx0")
}

func TestSettingsThatIgnoreErrorsAreRisks(t *testing.T) {
	u := newUplinks(t)
	u.host.Run(t, "ip", "route", "add", "10.88.0.0/16", "via", "10.77.1.1", "mtu", "lock", "1500")
	u.host.Do(t, func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_no_pmtu_disc", []byte("1"), 0) })
	u.host.Do(t, func() error { return os.WriteFile("/proc/sys/net/ipv4/route/min_pmtu", []byte("1400"), 0) })
	expect(t, audited(t, u.host, finding.PMTUDFailure),
		"risk icmp-ignored net.ipv4.ip_no_pmtu_disc", "risk icmp-ignored net.ipv4.route.min_pmtu",
		"risk icmp-ignored 10.88.0.0/16 via 10.77.1.1 dev up0 mtu lock 1500")
}

// forward makes a namespace a router.
func forward(t *testing.T, ns *kerneltest.Netns) {
	t.Helper()
	ns.Do(t, func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) })
}

func TestFirewallThatLosesTheErrorIsAFault(t *testing.T) {
	u := newUplinks(t)
	rules := func(ns *kerneltest.Netns, rule string) {
		ns.Run(t, "nft", "flush ruleset; add table ip f; "+rule)
	}
	in := "add chain ip f in { type filter hook input priority 0; }; add rule ip f in "
	rules(u.host, in+"ct state established,related accept; add rule ip f in meta l4proto icmp drop")
	expect(t, audited(t, u.host, finding.PMTUDFailure))
	rules(u.host, in+"icmp type destination-unreachable drop")
	expect(t, audited(t, u.host, finding.PMTUDFailure), "fault icmp-dropped-inbound ip f in")
	out := "add chain ip f out { type filter hook output priority 0; }; add rule ip f out icmp type destination-unreachable drop"
	rules(u.far, out)
	expect(t, audited(t, u.far, finding.PMTUDFailure))
	forward(t, u.far)
	expect(t, audited(t, u.far, finding.PMTUDFailure), "risk icmp-dropped-outbound ip f out")
	u.far.Run(t, "ip", "link", "set", "farup1", "mtu", "1400")
	expect(t, audited(t, u.far, finding.PMTUDFailure), "fault icmp-dropped-outbound ip f out")
}

func TestDroppingInvalidIsARiskWithTwoUplinksAlone(t *testing.T) {
	u := newUplinks(t)
	u.host.Run(t, "nft", "add table ip f; add chain ip f in { type filter hook input priority 0; }; "+
		"add rule ip f in ct state established,related accept; add rule ip f in ct state invalid drop")
	expect(t, audited(t, u.host), "risk stateful-firewall-invalid ip f in")
	u.host.Run(t, "ip", "route", "del", "default", "via", "10.77.2.1")
	expect(t, audited(t, u.host))
}

func TestNamespaceThatIsGoneIsBlindNotAnError(t *testing.T) {
	kerneltest.RequireRoot(t)
	h := host.New(host.Real())
	gone := host.Target{Inode: 1, Name: "gone", Path: "/run/netns/trapbpf-never-was"}
	var results []Result
	if err := Run(t.Context(), Options{Host: h, Targets: []host.Target{gone}}, func(r Result) { results = append(results, r) }); err != nil {
		t.Fatal(err)
	}
	if len(results) != 1 || results[0].Level != Blind {
		t.Errorf("it tells %+v", results)
	}
	obeysSchema(t, &results[0])
}

func TestNamespaceThatGoesBeforeItsNameserversIsBlind(t *testing.T) {
	kerneltest.RequireRoot(t)
	h := host.New(host.Real())
	s := &scene{Survey: &host.Survey{At: host.Target{Inode: 1, Name: "gone"}}}
	s.collectNaming(t.Context(), Options{Host: h}, &shared{host: h})
	if len(s.blind) != 1 || s.blind[0] != "resolv.conf: "+host.ErrGone.Error() {
		t.Errorf("it tells %q", s.blind)
	}
}
