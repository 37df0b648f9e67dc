// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package sample holds a few records that differ in every way a record can: what
// the tests of all encoders encode. Nothing but tests uses it.
package sample

import (
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Named is a record with the name of its golden files.
type Named struct {
	Name   string
	Record *finding.Record
}

// All gives every sample, made anew at each call.
func All() []Named {
	return []Named{
		{"rp-filter-opened", RPFilter(finding.Opened)},
		{"rp-filter-updated", RPFilter(finding.Updated)},
		{"rp-filter-resolved", RPFilter(finding.Closed)},
		{"ports-exhausted", PortsExhausted()},
		{"bind-pool", BindPool()},
		{"martian-ipv6", MartianIPv6()},
		{"stale-answer", StaleAnswer()},
		{"hostile", Hostile()},
		{"giant", Giant()},
	}
}

// start is when the first sample's condition was first seen.
func start() time.Time { return time.Date(2026, 3, 2, 14, 3, 7, 120000000, time.UTC) }

func host() finding.Host {
	return finding.Host{Name: "edge-3", Architecture: "x86_64", Kernel: "6.18.0", AgentVersion: "0.1.0"}
}

func base(number string, sequence uint64) finding.Record {
	r := finding.Record{
		Action:   finding.Opened,
		ID:       "019585a0-0000-7000-8000-0000000000" + number,
		Sequence: sequence,
		Time:     start().Add(350 * time.Millisecond),
		Reason:   "first seen",
		Alert:    true,
		Host:     host(),
	}
	r.Finding.ID = "5f2b90c4d1" + number
	r.Status, r.Severity, r.Confidence = finding.Confirmed, finding.High, 95
	r.First, r.Last, r.Count = start(), start().Add(300*time.Millisecond), 3
	r.Netns = finding.Netns{Inode: 4026532711, Name: "router"}
	return r
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func in(name string, op finding.Op, does, risk string) finding.Step {
	return finding.Step{Op: op, Enter: finding.Enter{Name: name}, Does: does, Risk: risk}
}

func look(name, line, does string) finding.Step {
	return in(name, finding.Command{Line: line}, does, "")
}

// RPFilter gives the record of one act of a reverse-path filter finding's life.
func RPFilter(action finding.Action) *finding.Record {
	r := base("01", 1)
	rpFilter(&r)
	switch action {
	case finding.Opened:
	case finding.Updated:
		r.Action, r.Sequence, r.Alert, r.Reason = action, 2, false, "still seen: 45 more"
		r.Time, r.Last, r.Count = start().Add(10350*time.Millisecond), start().Add(10*time.Second), 48
		r.Route.Drops, r.Route.DropsPerSecond = 48, 4.5
	case finding.Closed:
		r.Action, r.Sequence, r.Alert, r.Reason = action, 3, false, "net.ipv4.conf.wan1.rp_filter is 2 now"
		r.Status = finding.Resolved
		r.Time, r.Last, r.Count = start().Add(41*time.Second), start().Add(37500*time.Millisecond), 151
		r.Route.Drops, r.Route.DropsPerSecond = 151, 0
		r.Route.RPFilter, r.Route.RPFilterInterface = 2, 2
	default: // no telling of a finding
	}
	return &r
}

func rpFilter(r *finding.Record) {
	r.Trap, r.Cause = finding.AsymmetricRouting, "rp-filter-strict"
	r.Message = "Asymmetric routing: rp_filter on wan1 drops packets from 10.61.3.2"
	r.Flow = finding.Flow{
		Source: addr("10.61.3.2"), SourcePort: 43210, Destination: addr("10.61.1.2"), DestinationPort: 80,
		Transport: "tcp", Direction: "ingress",
	}
	r.Ingress, r.Egress = "wan1", "wan0"
	r.ConfidenceWhy = []string{
		"+50 the kernel dropped it and gave IP_RPFILTER as reason",
		"+25 its own lookup of the way back, directly before the drop, names another interface",
		"+15 rp_filter on wan1 is strict",
		"+5 a dropped packet answers something that was sent from here",
	}
	r.Symptoms = []string{"packets from 10.61.3.2 arrive on wan1 and never reach a socket or the next hop"}
	r.Evidence = []string{
		"the kernel's reverse lookup 10.61.1.2 -> 10.61.3.2 gave wan0, the packet came in by wan1",
		"effective rp_filter on wan1 is 1 = max(all 1, wan1 0)",
		"3 packets dropped as IP_RPFILTER",
	}
	r.Against = []string{"strict mode may be deliberate protection against spoofed sources: then the filter does its duty"}
	r.Route = &finding.Route{
		Ingress: "wan1", Expected: "wan0", Back: "default via 10.61.0.1 dev wan0 metric 100",
		RPFilter: 1, RPFilterAll: 1, Drops: 3, DropsPerSecond: 10.0 / 3, Reason: "IP_RPFILTER",
		Defaults:  []string{"default via 10.61.0.1 dev wan0 metric 100", "default via 10.61.2.1 dev wan1 metric 200"},
		SourceMAC: "02:00:00:00:03:02",
	}
	rpFilterSteps(r)
}

func rpFilterSteps(r *finding.Record) {
	const key = "net.ipv4.conf.wan1.rp_filter"
	r.Fix = []finding.Step{
		in("router", finding.Sysctl{Key: key, Value: "2"}, "loose mode on wan1 alone: a source needs a route, by whichever interface", "spoofed sources that have a route are no longer dropped on wan1"),
		in("router", finding.RouteOp{Verb: "replace", Gateway: addr("10.61.2.1"), Dev: "wan1", Table: 1003}, "or keep strict mode: a table of its own for what leaves by wan1", "needs the next line too"),
		in("router", finding.RuleOp{Verb: "add", From: netip.MustParsePrefix("10.61.1.2/32"), Table: 1003}, "sends what leaves from 10.61.1.2 by that table", ""),
	}
	r.Persistent = []finding.Step{{
		Op:   finding.FileOp{Path: "/etc/sysctl.d/60-trapbpf-rp-filter.conf", Content: key + " = 2\n"},
		Does: "keep it over a reboot (systemd-sysctl reads it at boot)",
	}}
	r.Undo = []finding.Step{in("router", finding.Sysctl{Key: key, Value: "0"}, "as it was", "")}
	r.Verify = []finding.Step{
		look("router", "ip route get 10.61.1.2 from 10.61.3.2 iif wan1", "must print a route, not an error"),
		look("router", "nstat -az TcpExtIPReversePathFilter", "must not grow any more"),
	}
}
