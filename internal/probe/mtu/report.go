// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Report is a result as it is told: one flat object with stable names.
type Report struct {
	// Target is what was asked for, Address what that stands for.
	Target  string     `json:"target"`
	Address netip.Addr `json:"address"`
	Netns   string     `json:"netns,omitempty"`
	Method  Method     `json:"method"`
	Verdict Verdict    `json:"verdict"`
	// PathMTU is there where it is exact.
	PathMTU       int  `json:"path_mtu,omitempty"`
	Exact         bool `json:"exact"`
	LargestPassed int  `json:"largest_passed"`
	SmallestLost  int  `json:"smallest_lost,omitempty"`
	// LimitedBy says of a clear path what kept larger packets from being tried:
	// "interface" or "max".
	LimitedBy    string `json:"limited_by,omitempty"`
	Interface    string `json:"interface,omitempty"`
	InterfaceMTU int    `json:"interface_mtu,omitempty"`
	// RouteMTU is what the route's entry says, LearnedMTU what ICMP had taught before.
	RouteMTU        int        `json:"route_mtu,omitempty"`
	LearnedMTU      int        `json:"learned_mtu,omitempty"`
	ToldMTU         int        `json:"told_mtu,omitempty"`
	ToldBy          netip.Addr `json:"told_by,omitzero"`
	LastHop         int        `json:"last_hop,omitempty"`
	LastHopAddress  netip.Addr `json:"last_hop_address,omitzero"`
	NextHop         int        `json:"next_hop,omitempty"`
	NextHopAddress  netip.Addr `json:"next_hop_address,omitzero"`
	LargestReturned int        `json:"largest_returned,omitempty"`
	Packets         int        `json:"packets"`
	Milliseconds    int64      `json:"milliseconds"`
	Notes           []string   `json:"notes,omitempty"`
}

// NewReport tells a result, and what the namespace believed of the path before; nil
// where that is not known.
func NewReport(target string, o Options, r *Result, believed *event.Path) Report {
	report := Report{
		Target: target, Address: o.Peer, Method: r.Method, Verdict: r.Verdict,
		Exact: r.Exact, LargestPassed: r.Passed, SmallestLost: r.Lost, InterfaceMTU: r.Local,
		ToldMTU: r.Told, ToldBy: r.ToldBy,
		LastHop: r.LastHop.TTL, LastHopAddress: r.LastHop.Addr, NextHop: r.NextHop.TTL, NextHopAddress: r.NextHop.Addr,
		LargestReturned: r.Returned, Packets: r.Packets, Milliseconds: r.Took.Milliseconds(), Notes: r.Notes,
	}
	if r.Exact {
		report.PathMTU = r.Passed
	}
	if believed != nil {
		report.Interface, report.InterfaceMTU = believed.Link.Name, max(int(believed.Link.MTU), r.Local)
		report.RouteMTU, report.LearnedMTU = int(believed.Route.MTU), int(believed.Learned)
	}
	if r.Verdict == Clear {
		report.LimitedBy = "max"
		if o.Max == 0 || r.Local != 0 && r.Passed == r.Local {
			report.LimitedBy = "interface"
		}
	}
	return report
}

// Print tells it to a person.
func (r *Report) Print(w io.Writer) error {
	lines := []string{r.headline(), r.what()}
	if r.Verdict == Silent {
		lines = append(lines, r.where())
	}
	if r.Interface != "" {
		lines = append(lines, r.leaves())
	}
	lines = append(lines, r.Notes...)
	lines = append(lines, fmt.Sprintf("measured by %s, %d packets, %.1f s", r.Method, r.Packets, float64(r.Milliseconds)/1000))
	if r.Verdict == Silent {
		lines = append(lines, "what to do: trapbpf explain mtu-blackhole")
	}
	var text strings.Builder
	for _, line := range lines {
		if line == "" {
			continue
		}
		if text.Len() > 0 {
			text.WriteString("  ")
		}
		text.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func (r *Report) headline() string {
	to := r.Target
	if to != r.Address.String() {
		to += " (" + r.Address.String() + ")"
	}
	if r.Netns != "" {
		to += " from " + r.Netns
	}
	switch {
	case r.Exact:
		return fmt.Sprintf("path MTU to %s: %d bytes", to, r.PathMTU)
	case r.SmallestLost != 0:
		return fmt.Sprintf("path MTU to %s: from %d to %d bytes; there were too few answers to tell it exactly", to, r.LargestPassed, r.SmallestLost-1)
	default:
		return fmt.Sprintf("path MTU to %s: %d bytes or more; there were too few answers to tell it exactly", to, r.LargestPassed)
	}
}

func (r *Report) what() string {
	switch {
	case r.Verdict == Clear && r.LimitedBy == "max":
		return "it carries all that was tried (--max)"
	case r.Verdict == Clear:
		return "it carries all that the interface sends: the interface's own MTU is the limit"
	case r.Verdict == Answered:
		return fmt.Sprintf("larger packets are answered: %s says that %d bytes fit", r.ToldBy, r.ToldMTU)
	case !r.Exact:
		return "larger packets get no answer"
	default:
		return fmt.Sprintf("black hole: packets of %d bytes and more vanish, and nobody says so", r.SmallestLost)
	}
}

func (r *Report) where() string {
	switch {
	case r.LastHop != 0 && r.NextHop != 0:
		return fmt.Sprintf("the last that gets them is %s (hop %d); they are lost there or on the way to %s (hop %d)", r.LastHopAddress, r.LastHop, r.NextHopAddress, r.NextHop)
	case r.LastHop != 0:
		return fmt.Sprintf("the last that is seen to get them is %s (hop %d)", r.LastHopAddress, r.LastHop)
	case r.NextHop != 0:
		return fmt.Sprintf("they are lost before %s (hop %d), which small ones reach", r.NextHopAddress, r.NextHop)
	case r.Exact:
		return "no router on the way answers, so that the place cannot be told"
	default:
		return ""
	}
}

func (r *Report) leaves() string {
	line := fmt.Sprintf("leaves by %s, MTU %d", r.Interface, r.InterfaceMTU)
	if r.RouteMTU != 0 {
		line += fmt.Sprintf("; the route says %d", r.RouteMTU)
	}
	if r.LearnedMTU != 0 {
		line += fmt.Sprintf("; the kernel had learned %d", r.LearnedMTU)
	}
	return line
}
