// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/firewall"
	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// checkInbound compares what the firewall does with a connection's data and with the
// ICMP error that belongs to it: a firewall that lets the one in and drops the other
// breaks path MTU discovery. One that drops both is closed, and that is all.
func checkInbound(s *scene) (wrong []Result, looked []string) {
	if s.rules == nil {
		return nil, nil
	}
	looked = append(looked, fmt.Sprintf("%d chains of rules were walked", s.rules.Chains))
	for _, clamp := range s.rules.Clamps {
		looked = append(looked, "the MSS is clamped in "+chainName(clamp))
	}
	for _, v6 := range []bool{false, true} {
		if !s.speaks(v6) {
			continue
		}
		in := []firewall.Hook{firewall.Prerouting, firewall.Input}
		if r, ok := s.loses(v6, "here", in); ok {
			wrong = append(wrong, r)
			continue
		}
		through := []firewall.Hook{firewall.Prerouting, firewall.Forward, firewall.Postrouting}
		if s.forwards(v6) && s.links() > 1 {
			if r, ok := s.loses(v6, "for hosts behind this one", through); ok {
				wrong = append(wrong, r)
			}
		}
	}
	return wrong, looked
}

// loses judges one way through the hooks: a fault where the error is dropped for
// certain, a risk where that depends and the data is never dropped.
func (s *scene) loses(v6 bool, whose string, hooks []firewall.Hook) (Result, bool) {
	fate := s.rules.Through(firewall.TooBig, v6, hooks...)
	data := s.rules.Through(firewall.Data, v6, hooks...)
	level := Fault
	switch {
	case fate.Certain() && data.Passes:
	case fate.Drops && !data.Drops:
		level = Risk
	default:
		return Result{}, false
	}
	r := s.dropsError(level, v6, fate.At)
	r.Message = fmt.Sprintf("the firewall drops %s that are meant %s", errorName(v6), whose)
	return r, true
}

func (s *scene) dropsError(level Level, v6 bool, at firewall.Place) Result {
	r := Result{
		Level: level, Subject: chainName(at),
		Evidence: []string{fmt.Sprintf("%s of %s (hook %s, priority %d) drops %s, and data of the same connections passes",
			at.Rule, chainName(at), at.Hook, at.Priority, errorName(v6))},
	}
	if level == Risk {
		r.Evidence = append(r.Evidence, "it depends on the packet's addresses, interface or rate")
	}
	if s.Settings.MTUProbing == 0 {
		r.Evidence = append(r.Evidence, "tcp_mtu_probing is 0: TCP does not find a smaller size by itself")
	}
	s.letIn(v6, at, &r)
	return r
}

// letIn accepts the error ahead of everything else in the chain that drops it.
func (s *scene) letIn(v6 bool, at firewall.Place, r *Result) {
	tool, match := "iptables", "-p icmp --icmp-type fragmentation-needed"
	rule := "icmp type destination-unreachable icmp code frag-needed accept"
	if v6 {
		tool, match = "ip6tables", "-p ipv6-icmp --icmpv6-type packet-too-big"
		rule = "icmpv6 type packet-too-big accept"
	}
	if at.Legacy {
		line := fmt.Sprintf("%s-legacy -t %s %%s %s %s -j ACCEPT", tool, at.Table, at.Chain, match)
		r.Fix = append(r.Fix, finding.Step{Op: finding.Command{Line: fmt.Sprintf(line, "-I")}, Enter: s.place.Enter, Does: "lets the errors pass this chain"})
		r.Undo = append(r.Undo, finding.Step{Op: finding.Command{Line: fmt.Sprintf(line, "-D")}, Enter: s.place.Enter, Does: "takes the rule out again"})
		r.Persistent = append(r.Persistent, trap.Note("%s-save > the file that is restored at boot (/etc/iptables/rules.v4, rules.v6)", tool))
		r.Verify = append(r.Verify, s.place.Look("must show the rule first", tool+"-legacy -t %s -S %s", at.Table, at.Chain))
		return
	}
	filter := event.Filter{Family: at.Family, Table: at.Table, Chain: at.Chain, Hook: string(at.Hook)}
	r.Fix = append(r.Fix, s.place.Do(trap.LetIn(filter, v6), "lets the errors pass this chain", ""))
	r.Undo = append(r.Undo, finding.Step{Op: trap.ForgetLetIn(filter), Enter: s.place.Enter, Does: "takes the rule out again"})
	r.Persistent = append(r.Persistent, trap.Note("in /etc/nftables.conf, first in chain %s of table %s %s: %s", at.Chain, at.Family, at.Table, rule),
		trap.Note("firewalld lets these errors in unless icmp-block names them; ufw has them in /etc/ufw/before.rules"))
	r.Verify = append(r.Verify, s.place.Look("must show the rule first", "nft -a list chain %s %s %s", at.Family, at.Table, at.Chain))
}

func errorName(v6 bool) string {
	if v6 {
		return "ICMPv6 \"packet too big\" errors"
	}
	return "ICMP \"fragmentation needed\" errors"
}

// checkOutbound looks whether a router's own errors get out. Where all its links have
// one MTU it has none to send, so that a drop is a risk.
func checkOutbound(s *scene) (wrong []Result, looked []string) {
	if s.rules == nil {
		return nil, nil
	}
	looked = append(looked, fmt.Sprintf("forwarding: IPv4 %v, IPv6 %v", s.Settings.Forwards, s.Settings.Forwards6))
	for _, v6 := range []bool{false, true} {
		if !s.forwards(v6) || !s.speaks(v6) || s.links() < 2 {
			continue
		}
		fate := s.rules.Through(firewall.TooBig, v6, firewall.Output, firewall.Postrouting)
		data := s.rules.Through(firewall.Data, v6, firewall.Prerouting, firewall.Forward, firewall.Postrouting)
		if !fate.Certain() || !data.Passes {
			continue
		}
		level := Risk
		if s.unequal() {
			level = Fault
		}
		r := s.dropsError(level, v6, fate.At)
		r.Message = fmt.Sprintf("the firewall drops the %s that this router sends", errorName(v6))
		wrong = append(wrong, r)
	}
	return wrong, looked
}

// speaks tells whether the namespace has an address of the family that reaches beyond
// its link.
func (s *scene) speaks(v6 bool) bool {
	for i := range s.Devices {
		d := &s.Devices[i]
		if !d.Up || d.Type == "loopback" {
			continue
		}
		for _, p := range d.Prefixes {
			if p.Addr().Is6() == v6 && !p.Addr().IsLinkLocalUnicast() {
				return true
			}
		}
	}
	return false
}

// links counts what packets can be forwarded between.
func (s *scene) links() int {
	n := 0
	for i := range s.Devices {
		if s.carries(&s.Devices[i]) {
			n++
		}
	}
	return n
}

func (s *scene) unequal() bool {
	var first uint32
	for i := range s.Devices {
		d := &s.Devices[i]
		if !s.carries(d) {
			continue
		}
		if first != 0 && d.MTU != first {
			return true
		}
		first = d.MTU
	}
	return false
}

func (s *scene) carries(d *host.Device) bool {
	return d.Up && d.Type != "loopback" && s.Routes.Users[d.Index] > 0
}

// checkIgnored looks for settings by which the kernel passes over what it is told.
func checkIgnored(s *scene) (wrong []Result, looked []string) {
	looked = append(looked, fmt.Sprintf("ip_no_pmtu_disc %d, min_pmtu %d, tcp_mtu_probing %d", s.Settings.NoPMTUDisc, s.Settings.MinPMTU, s.Settings.MTUProbing))
	if s.Routes.LearnedCount > 0 {
		looked = append(looked, fmt.Sprintf("%d path MTUs are learned: discovery works", s.Routes.LearnedCount))
	}
	for _, one := range s.Routes.Learned {
		looked = append(looked, fmt.Sprintf("%s: %d bytes, for %.0f s more", one.Peer, one.MTU, one.Expires.Seconds()))
	}
	if s.Settings.NoPMTUDisc != 0 {
		wrong = append(wrong, s.discoveryOff())
	}
	if s.Settings.MinPMTU > largestMinPMTU {
		wrong = append(wrong, s.minimumHigh())
	}
	for _, one := range s.Routes.Sized {
		if one.Locked && one.Route.MTU > leastUseful {
			wrong = append(wrong, s.locked(one))
		}
	}
	return wrong, looked
}
