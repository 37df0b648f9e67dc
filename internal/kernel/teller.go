// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"

	"github.com/trapbpf/trapbpf/internal/decode"
	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// teller turns samples and counts into events. It remembers what it told, so that
// a count is told only when it moved.
type teller struct {
	emit     func(event.Event)
	decoder  *decode.Decoder
	seen     *counters
	losses   *losses
	drops    *dropTable
	failures *failureTable
	pressure *pressureTable
}

func newTeller(k *Kernel, emit func(event.Event)) *teller {
	t := &teller{
		emit:     emit,
		decoder:  k.decoder,
		seen:     newCounters(k.maps.maps[mapSeen]),
		losses:   newLosses(k.maps.maps[mapLosses]),
		failures: newFailureTable(k.maps.maps[mapFailures]),
	}
	for _, r := range k.rows {
		switch {
		case r.collection == nil:
		case r.Sight == hook.SightDrop:
			t.drops = newDropTable(r.collection)
		case r.Sight == hook.SightTCP:
			t.pressure = newPressureTable(r.collection)
		}
	}
	return t
}

// sample tells what one sample from the ring holds.
func (t *teller) sample(raw []byte) {
	e, err := t.decoder.Decode(raw)
	for e != nil && err == nil {
		t.tell(e)
		e, err = t.decoder.Next()
	}
	switch {
	case errors.Is(err, decode.ErrGarbled):
		t.losses.garbled++
	case err != nil:
		t.losses.malformed++
	}
}

func (t *teller) tell(e event.Event) {
	switch e := e.(type) {
	case *event.Drop:
		if t.drops != nil {
			e.Count = t.drops.note(t.decoder.DropSample())
		}
	case *event.PortFailure:
		e.Count = t.failures.note(t.decoder.FailureSample())
	}
	t.emit(e)
}

// poll tells the counts that moved, and what was lost; pressure only when due. Each
// map is read only if its programs counted something since the last time.
func (t *teller) poll(pressureDue bool) error {
	if err := t.pollDrops(); err != nil {
		return err
	}
	if _, moved, err := t.seen.moved(wire.SeenFailure); err != nil {
		return err
	} else if moved {
		if err := t.failures.tell(t); err != nil {
			return err
		}
	}
	if pressureDue {
		if err := t.pollPressure(); err != nil {
			return err
		}
	}
	return t.losses.tell(t.emit)
}

func (t *teller) pollDrops() error {
	_, moved, err := t.seen.moved(wire.SeenDrop)
	if err != nil || !moved || t.drops == nil {
		return err
	}
	return t.drops.tell(t)
}

func (t *teller) pollPressure() error {
	_, moved, err := t.seen.moved(wire.SeenPressure)
	if err != nil || !moved || t.pressure == nil {
		return err
	}
	return t.pressure.tell(t)
}
