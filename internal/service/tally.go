// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"sync/atomic"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// tally counts what the status tells.
type tally struct {
	open, told atomic.Int64
	lost       atomic.Uint64
}

func (t *tally) add(r *finding.Record) {
	t.told.Add(1)
	switch r.Action {
	case finding.Opened:
		t.open.Add(1)
	case finding.Closed:
		t.open.Add(-1)
	case finding.Updated: // open already
	default: // nothing that a detector told
	}
}

func (t *tally) status() string {
	return fmt.Sprintf("watching; %d findings open, %d records, %d lost", t.open.Load(), t.told.Load(), t.lost.Load())
}
