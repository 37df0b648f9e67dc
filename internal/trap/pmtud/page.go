// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package pmtud

import _ "embed"

// page is the runbook page that `trapbpf explain` prints.
//
//go:embed README.md
var page string

// Page implements trap.Detector.
func (*Detector) Page() string { return page }
