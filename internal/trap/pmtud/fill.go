// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package pmtud

import "github.com/trapbpf/trapbpf/internal/flow"

// Fills implements trap.Tabled.
func (d *Detector) Fills() []flow.Fill {
	return []flow.Fill{d.groups.Fill("groups"), d.ways.Fill("ways"), d.drops.Fill("drops"), d.errors.Fill("errors")}
}
