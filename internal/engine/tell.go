// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// tell writes one record of a finding.
func (e *Engine) tell(l *life, action finding.Action, reason string, alert bool) {
	l.told, l.untold = e.now, false
	e.write(e.describe(l, action), action, reason, alert)
}

// write numbers a record and hands it out.
func (e *Engine) write(f finding.Finding, action finding.Action, reason string, alert bool) {
	r := &finding.Record{
		Finding: f,
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
	f.ID, f.Trap, f.Cause, f.Subject = l.id, l.detector.Trap(), key.Cause, key.Subject
	f.Status, f.Severity = l.last.Status, l.last.Severity
	if action == finding.Closed {
		f.Status = finding.Resolved
	}
	f.First, f.Last = l.began, e.wall(l.last.At)
	f.Count = l.count
	f.Lossy = e.lossy(l)
	e.enrich(&f.Process)
	e.attribute(&f.Process, key.Netns)
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
	if p.PID == 0 || known == nil || !same(p, known) {
		return
	}
	if known.Name != "" { // else it ended unseen
		p.Name = known.Name
	}
	p.Executable, p.Unit = known.Executable, known.Unit
	p.ContainerID, p.Runtime, p.Pod = known.ContainerID, known.Runtime, finding.Pod(known.Pod)
}

// same tells whether a process that is known is the one that made the socket: it has its
// name, or its control group. The socket's maker is a thread, and may have a name of its
// own; a process that ended unseen has none.
func same(p *finding.Process, known *event.Process) bool {
	return p.Name == "" || known.Name == "" || known.Name == p.Name || known.Cgroup != 0 && known.Cgroup == p.Cgroup
}

// attribute tells whose the namespace is, where nothing is known of a process: what is
// dropped in an interrupt belongs to nobody else.
func (e *Engine) attribute(p *finding.Process, id event.Netns) {
	if p.Executable != "" || p.ContainerID != "" || p.Pod != (finding.Pod{}) {
		return
	}
	space := &e.facts.Namespace(id).Name
	p.ContainerID, p.Pod = space.ContainerID, finding.Pod(space.Pod)
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
