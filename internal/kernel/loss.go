// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"time"

	"github.com/cilium/ebpf"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// losses tells what never became an event.
type losses struct {
	counters *counters
	// malformed counts samples that would not decode, told that of them.
	malformed, told uint64
	// garbled counts packets to port 53 that are no DNS messages. A peer may send any
	// number of these: they are told when they have doubled, or every ten seconds.
	garbled, garbledTold uint64
	garbledAt            event.Time
	event                event.Loss
}

// garbledEvery bounds how long a few more broken DNS messages wait to be told.
const garbledEvery = 10 * time.Second

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
	if now := Now(); l.garbled > l.garbledTold && (l.garbled >= 2*l.garbledTold || now.Sub(l.garbledAt) >= garbledEvery) {
		l.garbledTold, l.garbledAt = l.garbled, now
		l.say(emit, event.KindDNSAnswer, "decode", l.garbled)
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
	case wire.KindDNS:
		return event.KindDNSAnswer
	case wire.KindDial:
		return event.KindDial
	case wire.KindRetransmit:
		return event.KindRetransmit
	case wire.KindTooBig:
		return event.KindTooBig
	case wire.KindRefusal:
		return event.KindRefusal
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
