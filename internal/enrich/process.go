// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package enrich tells who a process is: its name, executable, control group, systemd unit,
// container and pod.
//
// Processes end before anybody asks about them. What was once seen is kept, so that
// the owner of a connection has a name in the finding that comes a second later.
package enrich

import (
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Processes tells who processes are. Its methods may be called at the same time.
type Processes struct {
	files Files
	mu    sync.Mutex
	seen  *cache
	pods  *pods
}

// New gives one that looks at files and has seen nobody yet.
func New(files Files) *Processes {
	return &Processes{files: files, seen: newCache(maxSeen), pods: newPods(files)}
}

// Look tells who a process is, or was where it has ended. Of one that ended unseen
// its control group is known, where that is still there and its id is not 0. The
// event's Header is the caller's to fill.
//
// What is known is told again only while start time and name are the same: PIDs are
// used again, and a process may become another program. That costs one file.
func (p *Processes) Look(pid uint32, cgroup uint64) event.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := p.look(pid, cgroup)
	if cgroup != 0 && found.CgroupPath != "" && p.files.Group != nil {
		if path, err := p.files.Group(cgroup); err == nil && path == found.CgroupPath {
			found.Cgroup = cgroup
		}
	}
	return found
}

func (p *Processes) look(pid uint32, cgroup uint64) event.Process {
	known, ok := p.seen.get(pid)
	name, started, err := p.identity(pid)
	if err != nil {
		if ok {
			return known.process
		}
		return p.ended(pid, cgroup)
	}
	if ok && known.started == started && known.process.Name == name {
		return known.process
	}
	found := event.Process{PID: pid, Name: name}
	p.describe(&found)
	p.seen.put(pid, sight{process: found, started: started})
	return found
}

// identity reads /proc/PID/stat. The name stands in parentheses and may itself have
// spaces and parentheses; the start time, in ticks since boot, is field 22
// (proc_pid_stat(5)).
func (p *Processes) identity(pid uint32) (name string, started uint64, err error) {
	content, err := p.files.ReadFile(proc(pid, "stat"))
	if err != nil {
		return "", 0, err
	}
	stat := string(content)
	open, shut := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || shut < open {
		return "", 0, errors.New("read process: no name")
	}
	const afterName = 22 - 3 // field 3 is the first behind the name
	fields := strings.Fields(stat[shut+1:])
	if len(fields) <= afterName {
		return "", 0, errors.New("read process: no start time")
	}
	started, err = strconv.ParseUint(fields[afterName], 10, 64)
	return stat[open+1 : shut], started, err
}

// describe fills in what may be missing: a kernel thread has no executable, and the
// process may end between two files.
func (p *Processes) describe(found *event.Process) {
	if path, err := p.files.ReadLink(proc(found.PID, "exe")); err == nil {
		found.Executable = strings.TrimSuffix(path, " (deleted)")
	}
	if groups, err := p.files.ReadFile(proc(found.PID, "cgroup")); err == nil {
		p.place(found, control(string(groups)))
	}
}

// place says where a process belongs by its control group.
func (p *Processes) place(found *event.Process, g group) {
	found.CgroupPath, found.Unit, found.ContainerID, found.Runtime = g.path, g.unit, g.container, g.runtime
	found.Pod = p.pods.find(g.pod, g.container)
}

// ended tells of a process that was never seen what its control group does.
func (p *Processes) ended(pid uint32, cgroup uint64) event.Process {
	found := event.Process{PID: pid}
	if cgroup == 0 || p.files.Group == nil {
		return found
	}
	if path, err := p.files.Group(cgroup); err == nil {
		p.place(&found, control("0::"+path+"\n"))
	}
	return found
}

func proc(pid uint32, file string) string {
	return "/proc/" + strconv.FormatUint(uint64(pid), 10) + "/" + file
}
