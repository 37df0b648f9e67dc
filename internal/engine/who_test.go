// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// owned is a puppet whose findings have an owner.
type owned struct {
	puppet
	process finding.Process
}

func (o *owned) Describe(_ trap.Key, _ *flow.Facts, f *finding.Finding) { f.Process = o.process }

// who gives what a finding in namespace 7 says of its owner, after these facts.
func who(process finding.Process, facts ...event.Event) finding.Process {
	s := newStage()
	o := &owned{process: process}
	s.engine = New([]trap.Detector{o}, 0, Out{Record: func(r *finding.Record) { s.records = append(s.records, r) }})
	for _, e := range facts {
		s.engine.Observe(e)
	}
	seen := sighting("cause", finding.Confirmed)
	seen.Key.Netns, seen.At = 7, s.now
	o.says = func(d trap.Desk) { d.See(seen) }
	s.engine.Observe(&event.Hook{Header: event.Header{Time: s.now}})
	return s.records[0].Process
}

func TestOwnerHasWhatWasLearntOfIt(t *testing.T) {
	pod := event.Pod{UID: "u", Namespace: "shop", Name: "api", Container: "c"}
	known := &event.Process{PID: 5, Name: "curl", Executable: "/bin/curl", ContainerID: "id", Runtime: "docker", Pod: pod}
	seen := finding.Process{PID: 5, Name: "curl"}
	want := finding.Process{PID: 5, Name: "curl", Executable: "/bin/curl", ContainerID: "id", Runtime: "docker", Pod: finding.Pod(pod)}
	if got := who(seen, known); got != want {
		t.Errorf("got %+v", got)
	}
	unit := &event.Process{PID: 5, Name: "curl", Executable: "/bin/curl", Unit: "job.service"}
	if got := who(seen, unit); got.Unit != "job.service" {
		t.Errorf("got %+v", got)
	}
	other := &event.Process{PID: 5, Name: "sh", Executable: "/bin/sh", ContainerID: "id"}
	if got := who(seen, other); got != seen {
		t.Errorf("of another process with the PID: %+v", got)
	}
	thread := finding.Process{PID: 5, Name: "http-nio-8080-e", Cgroup: 77}
	java := &event.Process{PID: 5, Name: "java", Executable: "/bin/java", ContainerID: "id", Cgroup: 77}
	if got := who(thread, java); got.Name != "java" || got.ContainerID != "id" {
		t.Errorf("of a thread with a name of its own: %+v", got)
	}
	java.Cgroup = 78
	if got := who(thread, java); got != thread {
		t.Errorf("of another control group: %+v", got)
	}
	ended := &event.Process{PID: 5, ContainerID: "id", Pod: pod}
	if got := who(seen, ended); got.Name != "curl" || got.ContainerID != "id" || got.Pod.Name != "api" {
		t.Errorf("of one that ended unseen: %+v", got)
	}
}

func TestDropWithoutAProcessIsItsNamespaces(t *testing.T) {
	space := &event.Namespace{Header: event.Header{Netns: 7}, Pod: event.Pod{UID: "u", Namespace: "shop", Name: "api"}}
	if got := who(finding.Process{}, space); got.Pod.Name != "api" || got.PID != 0 {
		t.Errorf("got %+v", got)
	}
	host := &event.Process{PID: 5, Name: "kubelet", Executable: "/usr/bin/kubelet", Unit: "kubelet.service"}
	if got := who(finding.Process{PID: 5, Name: "kubelet"}, space, host); got.Pod != (finding.Pod{}) {
		t.Errorf("a program of the host in the pod's namespace: %+v", got)
	}
}
