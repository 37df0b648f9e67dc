// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"sync"

	"github.com/trapbpf/trapbpf/internal/engine"
	"github.com/trapbpf/trapbpf/internal/trap/all"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/trace"
)

// stream is the one line that every event passes: recording first, then engine.
type stream struct {
	mu        sync.Mutex
	engine    *engine.Engine
	recording *trace.Writer
	broken    error
	meter     meter
}

func newStream(c Config, out engine.Out) *stream {
	return &stream{
		engine:    engine.New(all.Detectors(c.Traps...), c.Quiet, out),
		recording: c.Recording,
		meter:     newMeter(),
	}
}

func (s *stream) take(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recording != nil && s.broken == nil {
		s.broken = s.recording.Write(e)
	}
	s.meter.count(e)
	s.engine.Observe(e)
}

// netns gives the namespaces of open findings.
func (s *stream) netns() []event.Netns {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.engine.Netns()
}

// finish flushes the recording and tells what became of it.
func (s *stream) finish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recording == nil {
		return nil
	}
	if s.broken == nil {
		s.broken = s.recording.Flush()
	}
	if s.broken != nil {
		return fmt.Errorf("%w: %w", ErrRecording, s.broken)
	}
	return nil
}
