// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/firewall"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// checkReverseRule looks for rules that do what rp_filter does, IPv6 included (firewalld
// has one), on a host with more than one uplink: what comes in by another than leads back
// is dropped, and no counter of the kernel's tells of it. With one uplink there is no other
// way back.
func checkReverseRule(s *scene) (wrong []Result, looked []string) {
	if s.rules == nil {
		return nil, nil
	}
	for _, v6 := range []bool{false, true} {
		asking := s.rules.Reverse(v6)
		looked = append(looked, fmt.Sprintf("%s: %d uplinks, %d chains ask for the way back to a source", familyName(v6), s.uplinks(v6), len(asking)))
		if s.uplinks(v6) < 2 {
			continue
		}
		for _, at := range asking {
			wrong = append(wrong, s.asksForWayBack(at, v6))
		}
	}
	return wrong, looked
}

func familyName(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

func (s *scene) asksForWayBack(at firewall.Place, v6 bool) Result {
	show := s.place.Look("the rule", "nft list chain %s %s %s", at.Family, at.Table, at.Chain)
	if at.Legacy {
		program := map[string]string{"ip": "iptables-legacy", "ip6": "ip6tables-legacy"}[at.Family]
		show = s.place.Look("the rule", program+" -t %s -S %s", at.Table, at.Chain)
	}
	r := Result{
		Level: Risk, Subject: chainName(at),
		Message:  familyName(v6) + " packets that come in by another interface than leads back are dropped, and this host has more than one uplink",
		Evidence: []string{fmt.Sprintf("%s of %s asks for the way back to a packet's source, and by which interface it leaves", at.Rule, chainName(at))},
		Fix: []finding.Step{
			trap.Note("loosen the rule where answers may come in by either uplink: `fib saddr oif missing drop` asks for any way back (iptables: rpfilter --loose; firewalld: IPv6_rpfilter=loose in firewalld.conf)"),
			trap.Note("or lead the way back to what is behind an uplink through that uplink: a route, or a table of its own for its address"),
		},
		Verify: []finding.Step{show},
	}
	for _, one := range s.Routes.Defaults {
		if one.IPv6 == v6 && len(r.Evidence) < told {
			r.Evidence = append(r.Evidence, one.Text)
		}
	}
	return r
}
