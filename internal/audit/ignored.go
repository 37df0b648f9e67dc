// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"strings"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// largestMinPMTU is how high min_pmtu may be set without harm: IPv6 has the same
	// floor (RFC 8200, section 5), and no real path is below it. The kernel's own is 552.
	largestMinPMTU = 1280
	// leastUseful is an MTU that every path carries: a route locked at it, or below,
	// never needs to learn.
	leastUseful = 1280
	// plainMinPMTU is the kernel's default: 512 bytes of payload and 40 of headers.
	plainMinPMTU = "552"
)

func (s *scene) discoveryOff() Result {
	op := finding.Sysctl{Key: "net.ipv4.ip_no_pmtu_disc", Value: "0"}
	undo := op
	undo.Value = fmt.Sprint(s.Settings.NoPMTUDisc)
	return Result{
		Level: Risk, Subject: "net.ipv4.ip_no_pmtu_disc",
		Message:    "path MTU discovery is off: sockets send without DF, and what ICMP says is not learned",
		Evidence:   []string{fmt.Sprintf("ip_no_pmtu_disc is %d (1: errors lower the size to min_pmtu, 2: they are ignored, 3: heeded for proven ones alone)", s.Settings.NoPMTUDisc)},
		Fix:        []finding.Step{s.place.Do(op, "has the kernel learn path MTUs again", "connections that are open keep their old mode")},
		Undo:       []finding.Step{s.place.Do(undo, "as it was", "")},
		Persistent: s.place.Keep("pmtu-disc", op),
		Verify:     []finding.Step{s.place.Look("must be 0", "sysctl net.ipv4.ip_no_pmtu_disc")},
	}
}

func (s *scene) minimumHigh() Result {
	op := finding.Sysctl{Key: "net.ipv4.route.min_pmtu", Value: plainMinPMTU}
	undo := op
	undo.Value = fmt.Sprint(s.Settings.MinPMTU)
	return Result{
		Level: Risk, Subject: "net.ipv4.route.min_pmtu",
		Message:    fmt.Sprintf("path MTUs below %d are not believed", s.Settings.MinPMTU),
		Evidence:   []string{fmt.Sprintf("net.ipv4.route.min_pmtu is %d; the kernel's default is %s", s.Settings.MinPMTU, plainMinPMTU)},
		Fix:        []finding.Step{s.place.Do(op, "has the kernel believe them again", "")},
		Undo:       []finding.Step{s.place.Do(undo, "as it was", "")},
		Persistent: s.place.Keep("min-pmtu", op),
		Verify:     []finding.Step{s.place.Look("must be "+plainMinPMTU, "sysctl net.ipv4.route.min_pmtu")},
	}
}

func (s *scene) locked(one host.SizedRoute) Result {
	r := Result{
		Level: Risk, Subject: one.Route.Text,
		Message:  fmt.Sprintf("the MTU of a route is locked at %d: no error can lower it", one.Route.MTU),
		Evidence: []string{one.Route.Text},
		Verify:   []finding.Step{s.place.Look("must show no lock", "ip route show dev %s", one.Route.Iface)},
	}
	s.fixRoute(one, one.Route.MTU, &r)
	undo := strings.Replace(r.Undo[0].Op.Shell(), " mtu ", " mtu lock ", 1)
	r.Undo = []finding.Step{{Op: finding.Command{Line: undo}, Enter: s.place.Enter, Does: "as it was"}}
	return r
}
