// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// forgetAfter is how long a row must have been idle to be forgotten, once the map
// is over half full: twice the quiet period after which a finding closes.
const forgetAfter = 60 * time.Second

// dropTable tells the exact counts behind drop samples.
type dropTable struct {
	rows, overflow *sweep[wire.DropKey, wire.DropRow]
	// told is the newest count told of each row that the map still has.
	told map[wire.DropKey]uint64
	idle []wire.DropKey
}

func newDropTable(c *ebpf.Collection) *dropTable {
	return &dropTable{
		rows:     newSweep[wire.DropKey, wire.DropRow](c.Maps["drop_rows"]),
		overflow: newSweep[wire.DropKey, wire.DropRow](c.Maps["drop_overflow"]),
		told:     map[wire.DropKey]uint64{},
	}
}

// note remembers that a sample tells a count, and gives the count to tell: a
// sample may be read after a count that is newer than its own.
func (t *dropTable) note(w *wire.Drop) uint64 {
	key := wire.DropKey{
		Netns:       w.Header.Netns,
		Reason:      w.Reason,
		Source:      w.Packet.Source,
		Destination: w.Packet.Destination,
		Ifindex:     w.Ifindex,
	}
	t.told[key] = max(t.told[key], w.Count)
	return t.told[key]
}

// tell gives every row whose count moved since it was told.
func (t *dropTable) tell(to *teller) error {
	now, rows := Now(), uint32(0)
	t.idle = t.idle[:0]
	err := t.rows.read(func(key *wire.DropKey, row *wire.DropRow) {
		rows++
		if !t.say(to, key, row) && now.Sub(event.Time(row.Last)) > forgetAfter {
			t.idle = append(t.idle, *key)
		}
	})
	if err != nil {
		return fmt.Errorf("count drops: %w", err)
	}
	if rows > t.rows.m.MaxEntries()/2 {
		if err := t.forget(to); err != nil {
			return err
		}
	}
	err = t.overflow.read(func(key *wire.DropKey, row *wire.DropRow) { t.say(to, key, row) })
	if err != nil {
		return fmt.Errorf("count drops without a row: %w", err)
	}
	return nil
}

// say tells a row if its count moved, and whether it did.
func (t *dropTable) say(to *teller, key *wire.DropKey, row *wire.DropRow) bool {
	if row.Count <= t.told[*key] {
		return false
	}
	t.told[*key] = row.Count
	to.emit(to.decoder.DropRow(key, row))
	return true
}

// forget makes room by removing idle rows. Reading and removing is one step, so a
// drop that came meanwhile is told, not lost.
func (t *dropTable) forget(to *teller) error {
	for i := range t.idle {
		key := &t.idle[i]
		var row wire.DropRow
		err := t.rows.m.LookupAndDelete(key, &row)
		if errors.Is(err, ebpf.ErrNotSupported) { // before 5.14
			err = t.rows.m.Delete(key)
		}
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("forget idle drops: %w", err)
		}
		t.say(to, key, &row)
		delete(t.told, *key)
	}
	return nil
}
