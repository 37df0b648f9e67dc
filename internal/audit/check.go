// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import "github.com/trapbpf/trapbpf/pkg/finding"

// check is one thing to look at.
type check struct {
	trap  finding.Trap
	cause finding.Cause
	// fine is what is told where nothing is wrong.
	fine string
	// run gives what is wrong, and otherwise what was looked at: nothing where it could
	// not be looked at, so that nothing is said of it.
	run func(s *scene) (wrong []Result, looked []string)
	// rules is true where it rests on the firewall's.
	rules bool
}

// Causes of the contract that the checks name.
const (
	rpFilterStrict     finding.Cause = "rp-filter-strict"
	multipleDefaults   finding.Cause = "multiple-default-routes"
	firewallInvalid    finding.Cause = "stateful-firewall-invalid"
	linkDropsOversize  finding.Cause = "link-drops-oversize"
	overlayMTU         finding.Cause = "overlay-mtu-mismatch"
	icmpDroppedInbound finding.Cause = "icmp-dropped-inbound"
	icmpDroppedOut     finding.Cause = "icmp-dropped-outbound"
	icmpIgnored        finding.Cause = "icmp-ignored"
)

func checks() []check {
	return []check{
		{finding.AsymmetricRouting, rpFilterStrict, "reverse-path filtering fits the routes", checkReverse, false},
		{finding.AsymmetricRouting, rpFilterStrict, "no firewall rule asks for the way back where there are several", checkReverseRule, true},
		{finding.AsymmetricRouting, multipleDefaults, "no default routes compete", checkDefaults, false},
		{finding.AsymmetricRouting, firewallInvalid, "no firewall rule depends on seeing both directions by one way", checkInvalid, true},
		{finding.MTUBlackhole, linkDropsOversize, "links pass on what they are handed", checkLinks, false},
		{finding.MTUBlackhole, overlayMTU, "tunnels fit what carries them", checkTunnels, false},
		{finding.PMTUDFailure, icmpDroppedInbound, "ICMP too-big errors get in", checkInbound, true},
		{finding.PMTUDFailure, icmpDroppedOut, "this host's own ICMP too-big errors get out", checkOutbound, true},
		{finding.PMTUDFailure, icmpIgnored, "the kernel heeds ICMP too-big errors", checkIgnored, false},
		{finding.DNSCaching, "resolver-unanswered", "the nameservers answer", checkServers, false},
		{finding.DNSCaching, "ndots-expansion", "names are asked for as they are", checkSearch, false},
		{finding.DNSCaching, "resolvers-disagree", "the nameservers agree", checkAnswers, false},
		{finding.TimeWaitExhaustion, "ephemeral-ports-exhausted", "there are ports to call from", checkPorts, false},
		{finding.TimeWaitExhaustion, "time-wait-bucket-overflow", "there is room for TIME_WAITs", checkBuckets, false},
	}
}

// results runs the check and fills in what all its results have.
func (c check) results(s *scene) []Result {
	wrong, looked := c.run(s)
	if s.partial && c.rules {
		looked = nil
	}
	if len(wrong) == 0 && len(looked) == 0 {
		return nil
	}
	if len(wrong) == 0 {
		wrong = []Result{{Level: OK, Message: c.fine, Evidence: looked}}
	}
	for i := range wrong {
		wrong[i].Trap = c.trap
		if wrong[i].Cause == "" {
			wrong[i].Cause = c.cause
		}
	}
	return wrong
}
