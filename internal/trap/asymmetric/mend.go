// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// rp_filter modes (ip-sysctl.rst).
const (
	modeOff = iota
	modeStrict
	modeLoose
)

// mended tells whether the setting that dropped was changed so that it cannot drop
// any more, and nothing was dropped since.
func (g *group) mended(now event.Time, facts *flow.Facts) (string, bool) {
	if now.Sub(g.last) < mendedAfter {
		return "", false
	}
	routing := facts.Namespace(g.key.Netns).Routing
	if routing == nil || routing.Time <= g.last {
		return "", false
	}
	iface := g.ingress(facts)
	if iface == nil {
		return fmt.Sprintf("interface %s is gone", g.first.Iface), true
	}
	if g.byRule() {
		return g.unruled(facts)
	}
	if g.key.Cause == MartianSource {
		return g.accepted(iface)
	}
	return g.passes(iface)
}

// accepted: a martian is accepted on purpose now.
func (g *group) accepted(iface *event.Interface) (string, bool) {
	switch kind := sourceKind(g.first.Packet.Source.Addr(), g.first.Reason); {
	case kind == "own" && iface.AcceptLocal:
		return fmt.Sprintf("%s accepts this host's own addresses as source now (accept_local)", iface.Name), true
	case kind == "loopback" && iface.RouteLocal && iface.AcceptLocal:
		return fmt.Sprintf("%s accepts loopback sources now (route_localnet)", iface.Name), true
	default:
		return "", false
	}
}

// passes: the filter lets the same packet through now.
func (g *group) passes(iface *event.Interface) (string, bool) {
	newer := g.back != nil && g.back.Time > g.last
	switch {
	case iface.Effective == modeOff:
		return fmt.Sprintf("rp_filter on %s is off now, and nothing was dropped since", iface.Name), true
	case newer && g.back.Found && g.back.Route.Iface == iface.Name:
		return fmt.Sprintf("the route back leaves by %s now, and nothing was dropped since", iface.Name), true
	case iface.Effective == modeLoose && newer && g.back.Found:
		return fmt.Sprintf("rp_filter on %s is loose (2) now, and nothing was dropped since", iface.Name), true
	default:
		return "", false
	}
}
