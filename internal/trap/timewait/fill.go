// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package timewait

import "github.com/trapbpf/trapbpf/internal/flow"

// Fills implements trap.Tabled.
func (d *Detector) Fills() []flow.Fill {
	return []flow.Fill{d.failures.Fill("failures"), d.lanes.Fill("lanes"), d.spaces.Fill("spaces")}
}
