// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import "github.com/trapbpf/trapbpf/internal/flow"

// Fills implements trap.Tabled.
func (d *Detector) Fills() []flow.Fill {
	fills := append(d.exchanges.Fills(), d.names.Fills()...)
	return append(fills, d.dials.Fill("dials"), d.askers.Fill("askers"), d.servers.Fill("servers"), d.matters.Fill("matters"))
}
