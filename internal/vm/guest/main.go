// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Guest is the first and only program of a test machine: its /init.
//
// It makes the root that a host has (mounts, loopback, modules), does the jobs of
// its script one after the other, tells each one's output and end on the console,
// and powers the machine off. There is no shell, no C library and no disk.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/vm/job"
)

func main() {
	say := &console{out: os.Stdout}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest is the init of a test machine; it does nothing anywhere else")
		os.Exit(2)
	}
	if err := serve(say); err != nil {
		say.log("guest: " + err.Error())
	}
	say.drain()
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		say.log("power off: " + err.Error())
	}
}

// serve does the whole script.
func serve(say *console) error {
	script, err := readScript()
	if err != nil {
		return err
	}
	for _, problem := range prepare(script) {
		say.log(problem)
	}
	say.write(job.Up(release()))
	for i, j := range script.Jobs {
		say.write(job.Start(i))
		say.write(job.End(i, run(j, say)))
	}
	kernelLog(say)
	say.write(job.Done())
	return nil
}

func readScript() (job.Script, error) {
	var script job.Script
	raw, err := os.ReadFile(job.Path)
	if err != nil {
		return script, fmt.Errorf("read the script: %w", err)
	}
	if err := json.Unmarshal(raw, &script); err != nil {
		return script, fmt.Errorf("parse the script: %w", err)
	}
	return script, nil
}

// prepare makes the machine a host. What does not work is told and left: whether
// it matters is for the jobs to show.
func prepare(script job.Script) (problems []string) {
	for _, m := range mounts() {
		if slices.Contains(script.Without, m.name) {
			continue
		}
		if err := m.do(); err != nil {
			problems = append(problems, err.Error())
		}
	}
	// An ordinary host has it (FHS 5.13): locks live there.
	if err := os.MkdirAll("/run/lock", 0o755); err != nil {
		problems = append(problems, err.Error())
	}
	// It has this, too, if it has no resolver: its programs then ask 127.0.0.1.
	if err := os.WriteFile("/etc/resolv.conf", []byte("# none\n"), 0o644); err != nil {
		problems = append(problems, err.Error())
	}
	// From here on only a dying kernel may write between the marks.
	if err := os.WriteFile("/proc/sys/kernel/printk", []byte("1"), 0o644); err != nil {
		problems = append(problems, "quieten the kernel: "+err.Error())
	}
	problems = append(problems, insert()...)
	if err := loopback(); err != nil {
		problems = append(problems, "bring lo up: "+err.Error())
	}
	return problems
}

// insert loads the packed modules in the order of their names, which is the order
// of their dependencies.
func insert() (problems []string) {
	paths, err := filepath.Glob(job.Modules + "/*.ko")
	if err != nil {
		return []string{err.Error()}
	}
	for _, path := range paths {
		if err := insertOne(path); err != nil {
			problems = append(problems, fmt.Sprintf("insert %s: %v", filepath.Base(path), err))
		}
	}
	return problems
}

func insertOne(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}
