// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// tell writes one record of a finding.
func (e *Engine) tell(l *life, action finding.Action, reason string, alert bool) {
	l.told, l.untold = e.now, false
	r := &finding.Record{
		Finding: e.describe(l, action),
		Action:  action,
		Time:    e.wall(e.now),
		Reason:  reason,
		Alert:   alert,
		Host:    e.host(),
	}
	e.sequence++
	r.Sequence = e.sequence
	r.ID = e.ids.record(r.Time, r.Sequence)
	e.out.Record(r)
}

// describe lets the detector speak, then fills what is the engine's to say. The way
// back is what it was when the finding opened, and a resolved finding keeps what
// proved it: both would be described from settings that the fix has changed.
func (e *Engine) describe(l *life, action finding.Action) finding.Finding {
	key := l.last.Key
	f := finding.Finding{Netns: finding.Netns{
		Inode: uint32(key.Netns),
		Name:  e.facts.Namespace(key.Netns).Name.Name,
	}}
	l.detector.Describe(key, e.facts, &f)
	switch {
	case action == finding.Closed:
		f = closing(l.shown, f)
	case action == finding.Updated && len(l.shown.Undo) > 0:
		f.Undo = l.shown.Undo
	}
	f.ID, f.Trap, f.Cause = l.id, l.detector.Trap(), key.Cause
	f.Status, f.Severity = l.last.Status, l.last.Severity
	if action == finding.Closed {
		f.Status = finding.Resolved
	}
	f.First, f.Last = l.began, e.wall(l.last.At)
	f.Count = l.count
	f.Lossy = e.lossy(l)
	e.enrich(&f.Process)
	l.shown = f
	return f
}

// closing gives what was shown last, with the newest numbers.
func closing(shown, now finding.Finding) finding.Finding {
	shown.MTU, shown.Route, shown.DNS, shown.Ports = now.MTU, now.Route, now.DNS, now.Ports
	return shown
}

func (e *Engine) lossy(l *life) bool {
	for _, kind := range l.last.Rests {
		if e.facts.LostSince(kind, l.first) {
			return true
		}
	}
	return false
}

// enrich adds what was learnt of the process while it lived, if the name still
// agrees: pids are used again.
func (e *Engine) enrich(p *finding.Process) {
	known := e.facts.Process(p.PID)
	if p.PID == 0 || known == nil || p.Name != "" && known.Name != p.Name {
		return
	}
	p.Name, p.Executable, p.ContainerID = known.Name, known.Executable, known.ContainerID
}

func (e *Engine) host() finding.Host {
	h := e.facts.Host
	return finding.Host{
		Name:         h.Name,
		Architecture: h.Architecture,
		Kernel:       h.Kernel,
		AgentVersion: h.Version,
	}
}
