// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"net/netip"
	"time"

	"github.com/google/nftables"
)

// firewalls6 are firewalls that drop IPv6 for its way back or its other half, and
// those that have the same rules and see nothing amiss.
func firewalls6(fault, astray Scenario) []Scenario {
	half := fault
	half.Name, half.Views = "firewall-half-ipv6", []string{"r1"}
	half.Summary = "a stateful firewall sees the questions; the answers take another way: over IPv6"
	half.build = forkHalf(true)
	astray.Name = "firewall-rpfilter-ipv6"
	astray.Summary = "a firewall rule drops IPv6 that comes in by another interface than leads back"
	astray.build = forkStrayed(true)
	twin := Scenario{Views: astray.Views, TwinOf: astray.Name}
	passed, whole := twin, twin
	passed.Name = "firewall-rpfilter-passes"
	passed.Summary = "the same rule, for IPv6 that comes in where the way back leads"
	passed.build = forkStrayed(false)
	passed.Risk = rpFilterStrict // such a rule beside two uplinks is one
	whole.Name, whole.Views, whole.TwinOf = "firewall-whole-ipv6", half.Views, half.Name
	whole.Summary = "the same firewall, with both directions through it"
	whole.build = forkHalf(false)
	return []Scenario{half, astray, passed, whole}
}

// returns has the server answer the first uplink's address by the second router.
func (f fork) returns(n *network) {
	network := netip.MustParsePrefix(f.up1.addrs[0]).Masked().String()
	own := netip.MustParsePrefix(f.up2.addrs[0]).Addr().String()
	n.noRoute(f.server, network)
	n.route(f.server, network, map[bool]string{false: "10.66.4.1", true: "fd66:4::1"}[f.six], 0)
	n.route(f.r2, network, own, 0)
}

// noRoute takes the route to a network away.
func (n *network) noRoute(s *space, destination string) {
	if n.err != nil {
		return
	}
	n.fail(withdraw(s, destination))
}

// forkStrayed has a rule of the client's firewall do for IPv6 what rp_filter does.
func forkStrayed(asymmetric bool) func(*network) stage {
	return func(n *network) stage {
		f := buildFork(n, true)
		f.ranked(n)
		w := n.wall(f.client)
		w.chain("strayed", nftables.ChainHookPrerouting, nftables.ChainPriorityRaw, counted(strayed(true)))
		return f.guarded(n, w, asymmetric)
	}
}

// forkHalf makes the first router a stateful firewall.
func forkHalf(asymmetric bool) func(*network) stage {
	return func(n *network) stage {
		f := buildFork(n, true)
		f.ranked(n)
		return f.guarded(n, guarded(n, f.r1), asymmetric)
	}
}

// guarded is the stage of a fork with a firewall: it drops what comes back another way
// than it went.
func (f fork) guarded(n *network, w *wall, asymmetric bool) stage {
	s := stage{
		traffic: together(f.serves(n, f.peers[:1]), f.often()),
		proof:   func(r reading) error { return atLeast("answers", r.OK, 20) },
	}
	if asymmetric {
		f.returns(n)
		s.traffic, s.proof, s.heals = together(s.traffic, w.watch), w.proof, true
	}
	return s
}

// often has the client ask its first server ten times a second.
func (f fork) often() job {
	return questions(f.client, f.peers[0], 1500*time.Millisecond, netip.Addr{})
}
