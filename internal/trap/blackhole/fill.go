// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package blackhole

import "github.com/trapbpf/trapbpf/internal/flow"

// Fills implements trap.Tabled.
func (d *Detector) Fills() []flow.Fill {
	return []flow.Fill{d.groups.Fill("groups"), d.links.Fill("links"), d.spaces.Fill("spaces"), d.drops.Fill("drops")}
}
