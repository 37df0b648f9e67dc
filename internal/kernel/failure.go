// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/trapbpf/trapbpf/internal/wire"
)

// failureTable tells the exact counts behind port failure samples.
type failureTable struct {
	rows *sweep[wire.PortKey, wire.FailureRow]
	told map[wire.PortKey]uint64
}

func newFailureTable(m *ebpf.Map) *failureTable {
	return &failureTable{rows: newSweep[wire.PortKey, wire.FailureRow](m), told: map[wire.PortKey]uint64{}}
}

// note remembers that a sample tells a count, and gives the count to tell.
func (t *failureTable) note(w *wire.Failure) uint64 {
	key := wire.PortKey{
		Netns:       w.Header.Netns,
		Port:        w.Port,
		Op:          w.Op,
		Source:      w.Source,
		Destination: w.Destination,
	}
	t.told[key] = max(t.told[key], w.Count)
	return t.told[key]
}

// tell gives every row whose count moved since it was told.
func (t *failureTable) tell(to *teller) error {
	err := t.rows.read(func(key *wire.PortKey, row *wire.FailureRow) {
		if row.Count <= t.told[*key] {
			return
		}
		t.told[*key] = row.Count
		to.emit(to.decoder.FailureRow(key, row))
	})
	if err != nil {
		return fmt.Errorf("count port failures: %w", err)
	}
	return nil
}
