// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"github.com/cilium/ebpf"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// losses tells what never became an event.
type losses struct {
	counters *counters
	// malformed counts samples that would not decode, told that of them.
	malformed, told uint64
	event           event.Loss
}

func newLosses(m *ebpf.Map) *losses { return &losses{counters: newCounters(m)} }

// tell gives the counts that moved.
func (l *losses) tell(emit func(event.Event)) error {
	for kind := wire.KindDrop; kind < wire.Kinds; kind++ {
		for stage := range wire.Stages {
			count, moved, err := l.counters.moved(kind*wire.Stages + stage)
			if err != nil {
				return err
			}
			if moved {
				l.say(emit, kindOf(kind), stageOf(stage), count)
			}
		}
	}
	if l.malformed != l.told {
		l.told = l.malformed
		l.say(emit, event.KindDrop, "decode", l.malformed)
	}
	return nil
}

func (l *losses) say(emit func(event.Event), of event.Kind, stage string, count uint64) {
	l.event = event.Loss{Header: event.Header{Time: Now()}, Of: of, Stage: stage, Count: count}
	emit(&l.event)
}

func kindOf(kind uint32) event.Kind {
	switch kind {
	case wire.KindFailure:
		return event.KindPortFailure
	case wire.KindPressure:
		return event.KindPortPressure
	default:
		return event.KindDrop
	}
}

func stageOf(stage uint32) string {
	if stage == wire.StageMap {
		return "map"
	}
	return "ring"
}
