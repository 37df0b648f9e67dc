// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package enrich

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// table is a /proc made of maps; it counts what is read.
type table struct {
	files map[string]string
	links map[string]string
	reads int
}

func (p *table) world() Files {
	find := func(from map[string]string, path string) (string, error) {
		p.reads++
		content, ok := from[path]
		if !ok {
			return "", &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		return content, nil
	}
	return Files{
		ReadFile: func(path string) ([]byte, error) {
			content, err := find(p.files, path)
			return []byte(content), err
		},
		ReadLink: func(path string) (string, error) { return find(p.links, path) },
		List:     func(string) ([]string, error) { return nil, fs.ErrNotExist },
	}
}

func (p *table) start(pid int, name, exe string, started int) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	p.files[dir+"stat"] = fmt.Sprintf("%d (%s) S 1%s %d 0 0\n", pid, name, strings.Repeat(" 0", 17), started)
	p.files[dir+"cgroup"] = "0::/system.slice/docker-" + outer + ".scope\n"
	p.links[dir+"exe"] = exe
}

func (p *table) end(pid int) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	delete(p.files, dir+"stat")
	delete(p.files, dir+"cgroup")
	delete(p.links, dir+"exe")
}

func newTable() *table { return &table{files: map[string]string{}, links: map[string]string{}} }

func TestProcessIsDescribed(t *testing.T) {
	p := newTable()
	p.start(7, "a (b) c", "/usr/bin/curl (deleted)", 100)
	want := event.Process{
		PID: 7, Name: "a (b) c", Executable: "/usr/bin/curl",
		CgroupPath: "/system.slice/docker-" + outer + ".scope", ContainerID: outer, Runtime: "docker",
	}
	if got := New(p.world()).Look(7, 0); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestProcessIsRememberedAfterItsEnd(t *testing.T) {
	p := newTable()
	p.start(7, "curl", "/usr/bin/curl", 100)
	processes := New(p.world())
	before := processes.Look(7, 0)
	p.end(7)
	if after := processes.Look(7, 0); after != before || after.Name != "curl" {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if got := processes.Look(8, 0); got != (event.Process{PID: 8}) {
		t.Errorf("never seen: %+v", got)
	}
}

func TestNewProcessWithAnOldPIDIsAnother(t *testing.T) {
	p := newTable()
	p.start(7, "curl", "/usr/bin/curl", 100)
	processes := New(p.world())
	processes.Look(7, 0)
	p.start(7, "curl", "/opt/curl", 200)
	if got := processes.Look(7, 0); got.Executable != "/opt/curl" {
		t.Errorf("after the PID was used again: %+v", got)
	}
	p.start(7, "sh", "/bin/sh", 200)
	if got := processes.Look(7, 0); got.Executable != "/bin/sh" {
		t.Errorf("after it became another program: %+v", got)
	}
}

func TestKnownProcessCostsOneFile(t *testing.T) {
	p := newTable()
	p.start(7, "curl", "/usr/bin/curl", 100)
	processes := New(p.world())
	processes.Look(7, 0)
	p.reads = 0
	if processes.Look(7, 0); p.reads != 1 {
		t.Errorf("%d files were read, want 1", p.reads)
	}
}

func TestOnlyTheLatestProcessesAreRemembered(t *testing.T) {
	p := newTable()
	processes := New(p.world())
	for pid := range maxSeen + 1 {
		p.start(pid, "curl", "/usr/bin/curl", 100)
		processes.Look(uint32(pid), 0)
		p.end(pid)
	}
	if got := processes.Look(0, 0); got.Name != "" {
		t.Errorf("the first is still known: %+v", got)
	}
	if got := processes.Look(1, 0); got.Name != "curl" {
		t.Errorf("the second is forgotten: %+v", got)
	}
}

func TestOddProcessFilesAreNoProcess(t *testing.T) {
	for _, stat := range []string{"", "7", "7 (a", "7 )a( S", "7 (a) S 1 2 3", "7 (a) S" + strings.Repeat(" x", 30)} {
		p := newTable()
		p.files["/proc/7/stat"] = stat
		if got := New(p.world()).Look(7, 0); got != (event.Process{PID: 7}) {
			t.Errorf("%q: %+v", stat, got)
		}
	}
}

func TestThisProcessIsFoundOnTheRunningHost(t *testing.T) {
	got := New(Real()).Look(uint32(os.Getpid()), 0)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got.Executable != self || !strings.HasPrefix(filepath.Base(self), got.Name) || got.Name == "" || got.CgroupPath == "" {
		t.Errorf("got %+v, want %s", got, self)
	}
}
