// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// borneOut tells whether the host's settings allow for a drop that only its place
// tells. The kernel dropped at that place because of the packet's way in; where the
// settings would have let it in, it was for something else, and nothing is said. What a
// firewall dropped is not the settings' work: its rule bears that out.
func (g *group) borneOut(facts *flow.Facts) bool {
	if g.first.Ground != event.GroundPlace || g.byRule() {
		return true
	}
	if g.key.Cause == RPFilterStrict {
		iface := g.ingress(facts)
		return iface == nil || iface.Effective == modeStrict || iface.Effective == modeLoose && g.expected() == ""
	}
	if sourceKind(g.first.Packet.Source.Addr(), g.first.Reason) != "own" || !g.first.Reverse.IsZero() {
		return true // impossible by itself, or by the kernel's own lookup
	}
	return ownerOf(facts.Namespace(g.key.Netns).Routing, g) != ""
}

// weighDrop counts what the drop itself tells.
func (g *group) weighDrop(c *trap.Confidence, f *finding.Finding) {
	if g.first.Ground == event.GroundReason {
		c.Add(50, "the kernel dropped it and gave %s as reason", g.first.Reason)
		return
	}
	c.Add(50, "the kernel dropped it where it validates a packet's source")
	c.Doubt(&g.first, f)
}
