// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"fmt"

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

// Into writes the sum, kept within 1 to 99, and its derivation.
func (c *Confidence) Into(f *finding.Finding) {
	f.Confidence = min(max(c.points, 1), 99)
	f.ConfidenceWhy = c.why
}
