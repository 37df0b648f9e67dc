// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import "github.com/trapbpf/trapbpf/internal/flow"

// Fills implements trap.Tabled.
func (d *Detector) Fills() []flow.Fill {
	return []flow.Fill{d.counts.Fill("drops"), d.groups.Fill("groups"), d.halves.Fill("halves")}
}
