// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import "strings"

// unseen says why an audit before any traffic cannot see a fault; "" where it must. What
// is innocent in a twin that has the same settings is no fault that settings show.
func (s Scenario) unseen() string {
	for _, names := range unseenScenarios() {
		for name := range strings.FieldsSeq(names.of) {
			if name == s.Name {
				return names.why
			}
		}
	}
	return ""
}

// hidden are scenarios, separated by spaces, and why no setting shows what is wrong.
type hidden struct{ of, why string }

func unseenScenarios() []hidden {
	return []hidden{
		{"mtu-sender mtu-sender-ipv6 mtu-rerouted mtu-probing mtu-probing-ipv6 mtu-receiver mtu-receiver-ipv6 mtu-tls mtu-tls-ipv6",
			"a router far away swallows large packets: this host's settings are those of one that works; `probe mtu` measures the path"},
		{"pmtud-bogus pmtud-bogus-ipv6", "another router's errors tell a wrong MTU: they show once it sends them"},
		{"pmtud-not-sent pmtud-not-sent-ipv6", "whom the router's errors are for, and that no route leads there, shows once somebody sends"},
		{"pmtud-ignored-ipv6 pmtud-ignored-udp pmtud-ignored-udp-ipv6", "it is an option of a program's socket"},
		{"rp-filter-tunnel", "no route tells what lies behind the tunnel's end: its packets do"},
		{"firewall-half firewall-half-ipv6 firewall-answers", "a rule against INVALID is good custom; that the other half of a connection goes by another router is not in this one's settings"},
		{"uplinks-hops uplinks-hops-ipv6 uplinks-gone", "a route with several hops is meant to share its load; that a gateway delivers nothing shows in traffic"},
		{"martian martian-loopback martian-zero", "a neighbour sends what it should not"},
		{"ports-exhausted ports-exhausted-ipv6 ports-exhausted-reuse2 ports-running-out bind-pool live-leak",
			"a small range of ports serves who calls seldom: how many are held shows once programs hold them, and then `check` counts them"},
		{"dns-stale dns-stale-ipv6 dns-stale-udp dns-stale-tcp dns-removed", "a program keeps an address to itself"},
		{"dns-ndots dns-ndots-tcp dns-ndots-static", "a search list and ndots:5 are what short names need; what a program asks for shows in its questions"},
		{"dns-behind dns-split-horizon dns-negative dns-long-ttl", "which name to ask for is not known: `check dns-caching --name NAME` asks all nameservers for it"},
		{"dns-silent dns-servfail", "the nameservers are those of a program that is not there yet, in a file of its own; those of a namespace's file `check` asks"},
	}
}
