// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"cmp"
	"fmt"

	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Confidence adds up a number from reasons, so that each point can be read.
type Confidence struct {
	points int
	why    []string
}

// Add counts points for a reason that holds. Negative points weigh against.
func (c *Confidence) Add(points int, reason string, args ...any) {
	c.points += points
	c.why = append(c.why, fmt.Sprintf("%+d %s", points, fmt.Sprintf(reason, args...)))
}

// placeDoubt is what a drop's reason counts less where only its place tells it. It still
// confirms: the code drops for nothing else that fits the packet and the lookup.
const placeDoubt = 10

// Doubt weighs against a drop whose reason the kernel did not give, and says so in the
// evidence. Of other drops it says nothing.
func (c *Confidence) Doubt(e *event.Drop, f *finding.Finding) {
	if e.Ground != event.GroundPlace {
		return
	}
	c.Add(-placeDoubt, "the kernel gave no reason: its place in the kernel's code tells it")
	f.Evidence = append(f.Evidence, fmt.Sprintf("weaker ground: this kernel gives no reason for such a drop; that it was %s is read from the code that dropped it (%s)",
		e.Reason, cmp.Or(e.Symbol, "at an address without a name")))
}

// Into writes the sum, kept within 1 to 99, and its derivation.
func (c *Confidence) Into(f *finding.Finding) {
	f.Confidence = min(max(c.points, 1), 99)
	f.ConfidenceWhy = c.why
}
