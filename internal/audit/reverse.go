// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// told bounds lists in evidence.
const told = 32

// checkReverse judges the interfaces in strict mode (RFC 3704, section 2.2). One that
// a route by a router goes through, but that is not the way back to where that route
// leads, drops what comes in by it: it is a second uplink. The same of a directly
// attached network is a risk alone, unless it is all that the interface has.
func checkReverse(s *scene) (wrong []Result, looked []string) {
	looked = append(looked, fmt.Sprintf("rp_filter of all is %d", s.Settings.RPFilterAll))
	for i := range s.Devices {
		d := &s.Devices[i]
		if !d.Running || d.Type == "loopback" {
			continue
		}
		if len(looked) < told {
			looked = append(looked, fmt.Sprintf("%s: rp_filter %d (all %d, its own %d)", d.Name, d.Effective, s.Settings.RPFilterAll, d.RPFilter))
		}
		if r, ok := judgeStrict(s, d); ok {
			wrong = append(wrong, r)
		}
	}
	return wrong, looked
}

func judgeStrict(s *scene, d *host.Device) (Result, bool) {
	var failed []host.ReverseCheck
	passes, level := 0, Risk
	for _, check := range s.Reverse {
		switch {
		case check.Iface != d.Name:
		case check.Passes:
			passes++
		default:
			failed = append(failed, check)
			if check.Gateway && !s.private(check.Back.Route.Iface) {
				level = Fault
			}
		}
	}
	if len(failed) == 0 {
		return Result{}, false
	}
	if passes == 0 && !s.private(failed[0].Back.Route.Iface) {
		level = Fault
	}
	r := Result{
		Level: level, Subject: d.Name,
		Message: fmt.Sprintf("%s is in strict mode, but is not the way back to %s: what comes from there is dropped", d.Name, destination(failed[0].Prefix)),
	}
	s.evidenceStrict(d, failed, &r)
	s.fixStrict(d, &r)
	first := failed[0]
	r.Verify = append(r.Verify,
		s.place.Look("must print a route, not an error", "ip route get %s from %s iif %s", first.To, first.From, d.Name),
		s.place.Look("must not grow any more", "nstat -az TcpExtIPReversePathFilter"))
	return r, true
}

// private tells whether an interface is a tunnel that takes a host's whole traffic, as
// a VPN does: then the uplink under it is meant to carry nothing else.
func (s *scene) private(name string) bool {
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Name == name {
			return slices.Contains([]string{"tun", "wireguard", "xfrm", "ppp"}, d.Type)
		}
	}
	return false
}

func (s *scene) evidenceStrict(d *host.Device, failed []host.ReverseCheck, r *Result) {
	r.Evidence = append(r.Evidence, fmt.Sprintf("rp_filter is effectively 1 on %s: the greater of all (%d) and its own (%d)", d.Name, s.Settings.RPFilterAll, d.RPFilter))
	for _, check := range failed[:min(len(failed), told)] {
		back := "there is no route back"
		if check.Back.Found {
			back = "the way back is " + check.Back.Route.Text
		}
		r.Evidence = append(r.Evidence, fmt.Sprintf("the kernel refuses a packet from %s (%s) to %s that comes in by %s: %s; %s",
			check.From, destination(check.Prefix), check.To, d.Name, check.Error, back))
	}
	if !d.LogMartians {
		r.Evidence = append(r.Evidence, "log_martians is off: the kernel drops these without a word")
	}
	for _, rule := range s.Rules[:min(len(s.Rules), told)] {
		r.Evidence = append(r.Evidence, "policy rule "+rule)
	}
}

// fixStrict offers loose mode for the one interface, or a table of its own that makes
// what leaves from its address leave by it.
func (s *scene) fixStrict(d *host.Device, r *Result) {
	const loose = "2"
	key := finding.SysctlKey("net", "ipv4", "conf", d.Name, "rp_filter")
	op := finding.Sysctl{Key: key, Value: loose}
	r.Fix = append(r.Fix, s.place.Do(op, "loose mode on "+d.Name+" alone: a source needs a route, by whichever interface (RFC 3704, section 2.4)",
		"spoofed sources that have a route are no longer dropped on "+d.Name))
	r.Undo = append(r.Undo, s.place.Do(finding.Sysctl{Key: key, Value: strconv.Itoa(d.RPFilter)}, "as it was", ""))
	r.Persistent = append(r.Persistent, s.place.Keep("rp-filter", op)...)
	gateway, own := s.gatewayBy(d.Name), host.FirstIPv4(d.Prefixes)
	if !gateway.IsValid() || !own.IsValid() {
		return
	}
	table := firstTable + d.Index
	route := finding.RouteOp{Verb: "replace", Gateway: gateway, Dev: d.Name, Table: table}
	rule := finding.RuleOp{Verb: "add", From: netip.PrefixFrom(own, own.BitLen()), Table: table}
	r.Fix = append(r.Fix,
		s.place.Do(route, "or keep strict mode: a table of its own for what leaves by "+d.Name, "needs the next line too"),
		s.place.Do(rule, "sends what leaves from "+own.String()+" by that table", ""))
	undoRoute, undoRule := route, rule
	undoRoute.Verb, undoRule.Verb = "del", "del"
	r.Undo = append(r.Undo, s.place.Do(undoRule, "takes the rule back", ""), s.place.Do(undoRoute, "takes the route back", ""))
}

// firstTable is where proposed tables begin: clear of the kernel's own and of the
// small numbers that people give by hand.
const firstTable = 1000

func (s *scene) gatewayBy(iface string) netip.Addr {
	for _, r := range s.Routes.Defaults {
		if r.Iface == iface && r.Gateway.Is4() {
			return r.Gateway
		}
	}
	return netip.Addr{}
}

func destination(p netip.Prefix) string {
	if !p.IsValid() {
		return "the default route's destinations"
	}
	return p.String()
}
