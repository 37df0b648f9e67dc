// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Bounds of one scan for namespaces.
const (
	maxTargets   = 4096
	maxProcesses = 1 << 17
)

// Scans may come in a burst, after which there is one a second: a scan of a
// thousand processes takes a few milliseconds, and a stream of events from a
// namespace that cannot be found must not turn into a stream of scans.
const (
	scanEvery = time.Second
	scanBurst = 4
)

// errUnsure tells that a namespace was not found, but not looked for now either.
var errUnsure = errors.New("namespace was not looked for: the last scans were too recent")

// Target is a network namespace and the way into it.
type Target struct {
	Inode event.Netns
	// Name is its name under /run/netns, "" where it has none.
	Name string
	// Path is a file by which it can be entered; "" is the agent's own.
	Path string
	// PID is a process that was in it when it was looked for, 0 where none was met.
	PID uint32
}

// Locate tells by which path a namespace can be entered now. The path is checked
// before it is given, but may go stale at any time after.
func (h *Host) Locate(id event.Netns) (Target, bool) {
	at, err := h.find(id)
	return at, err == nil
}

// find is Locate, with ErrGone told apart from not having looked.
func (h *Host) find(id event.Netns) (Target, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at, ok := h.current(id); ok {
		return at, nil
	}
	if !h.scans.allow(h.world.Now()) {
		return Target{}, errUnsure
	}
	h.scan()
	if at, ok := h.current(id); ok {
		return at, nil
	}
	return Target{}, ErrGone
}

// current gives what is known of a namespace where that still holds.
func (h *Host) current(id event.Netns) (Target, bool) {
	at, ok := h.known[id]
	if !ok {
		return Target{Inode: id}, id == h.own && id != 0
	}
	if at.Path == "" {
		return at, true
	}
	inode, err := h.world.Inode(at.Path)
	return at, err == nil && inode == id
}

func (h *Host) forget(id event.Netns) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.known, id)
}

// Namespaces gives every network namespace that has a name, is mounted somewhere
// or holds a process, by inode. At most 4096 are told.
func (h *Host) Namespaces() []Target {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.scan()
	all := make([]Target, 0, len(h.known))
	for _, at := range h.known {
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b Target) int { return int(a.Inode) - int(b.Inode) })
	return all
}

// scan looks for namespaces, the best way in first: a name outlives a process,
// and a mount is as good but for the name. The lowest PID of a namespace is most
// likely the process that the others came from.
func (h *Host) scan() {
	clear(h.known)
	for _, dir := range []string{"/run/netns/", "/var/run/netns/"} {
		names, _ := h.world.List(dir) // there is none until the first is named
		slices.Sort(names)
		for _, name := range names {
			h.note(Target{Name: name, Path: dir + name})
		}
	}
	mounts, _ := h.world.ReadFile("/proc/self/mountinfo")
	for path := range mounted(string(mounts)) {
		h.note(Target{Path: path})
	}
	for _, pid := range h.processes() {
		h.note(Target{Path: netnsOf(uint32(pid)), PID: uint32(pid)})
	}
	if _, ok := h.known[h.own]; !ok && h.own != 0 {
		h.known[h.own] = Target{Inode: h.own}
	}
}

func (h *Host) note(at Target) {
	if len(h.known) >= maxTargets {
		return
	}
	inode, err := h.world.Inode(at.Path)
	if err != nil {
		return
	}
	if better, ok := h.known[inode]; ok {
		if better.PID == 0 {
			better.PID = at.PID
			h.known[inode] = better
		}
		return
	}
	at.Inode = inode
	if inode == h.own {
		at.Path = ""
	}
	h.known[inode] = at
}

func (h *Host) processes() []int {
	names, _ := h.world.List("/proc")
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && len(pids) < maxProcesses {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// mounted gives the mount points of network namespaces in a mountinfo
// (proc_pid_mountinfo(5)), such as those that container runtimes keep.
func mounted(mountinfo string) func(yield func(path string) bool) {
	return func(yield func(path string) bool) {
		for line := range strings.Lines(mountinfo) {
			fields := strings.Fields(line)
			if len(fields) < 5 || !strings.HasPrefix(fields[3], "net:[") {
				continue
			}
			if !yield(unescapeOctal(fields[4])) {
				return
			}
		}
	}
}

// unescapeOctal undoes mountinfo's escapes: a backslash and three octal digits.
func unescapeOctal(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if code, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// limit allows scanBurst at once and one each scanEvery (the generic cell rate
// algorithm: due is when the bucket will be full again).
type limit struct{ due event.Time }

func (l *limit) allow(now event.Time) bool {
	due := max(l.due, now)
	if due.Sub(now) > (scanBurst-1)*scanEvery {
		return false
	}
	l.due = due.Add(scanEvery)
	return true
}
