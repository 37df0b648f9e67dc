// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/vm/job"
)

// patience is how long an interrupted job may clear up before it is killed, and a
// dead job's pipes may be held open by what it left behind.
const patience = 5 * time.Second

// run does one job to its end and clears away what it left running.
func run(j job.Job, say *console) job.Outcome {
	restore := setSysctls(j.Sysctl, say)
	defer restore()
	defer hide(j.Hide, say)()
	// Whatever the job left behind must not live into the next one. From init,
	// -1 means everyone but itself.
	defer func() { _ = unix.Kill(-1, unix.SIGKILL) }()

	ctx, cancel := context.WithTimeout(context.Background(), j.Limit)
	defer cancel()
	begun := time.Now()
	state, err := start(ctx, j, say)
	out := job.Outcome{Code: code(state), Wall: time.Since(begun)}
	if usage, ok := rusage(state); ok {
		out.ResidentKiB = usage.Maxrss
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		say.write(job.Stderr("guest: ended after " + j.Limit.String()))
	case err != nil && !errors.As(err, &exit):
		say.write(job.Stderr("guest: " + err.Error()))
	}
	return out
}

// start runs the program on a thread of its own: a dropped capability leaves the
// thread's bounding set, which the program inherits, and the thread dies with it.
func start(ctx context.Context, j job.Job, say *console) (state *os.ProcessState, err error) {
	var wait sync.WaitGroup
	wait.Go(func() {
		if len(j.Drop) > 0 {
			runtime.LockOSThread()
		}
		for _, capability := range j.Drop {
			if err = unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil {
				return
			}
		}
		stdout, stderr := &lines{mark: job.Stdout, say: say}, &lines{mark: job.Stderr, say: say}
		cmd := command(ctx, j)
		cmd.Stdout, cmd.Stderr = stdout, stderr
		err = cmd.Run()
		state = cmd.ProcessState
		stdout.flush()
		stderr.flush()
	})
	wait.Wait()
	return state, err
}

func command(ctx context.Context, j job.Job) *exec.Cmd {
	cmd := exec.CommandContext(ctx, j.Argv[0], j.Argv[1:]...)
	cmd.Dir = "/"
	if j.Dir != "" {
		cmd.Dir = j.Dir
	}
	cmd.Env = append([]string{"PATH=/bin", "HOME=/root", "TMPDIR=/tmp"}, j.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGINT) }
	cmd.WaitDelay = patience
	return cmd
}

// code is the exit code as a shell gives it, -1 where nothing was started.
func code(state *os.ProcessState) int {
	if state == nil {
		return -1
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

func rusage(state *os.ProcessState) (*syscall.Rusage, bool) {
	if state == nil {
		return nil, false
	}
	usage, ok := state.SysUsage().(*syscall.Rusage)
	return usage, ok
}

// hide lays empty file systems over directories and gives the function that takes
// them away.
func hide(paths []string, say *console) (show func()) {
	for _, path := range paths {
		if err := unix.Mount("tmpfs", path, "tmpfs", 0, ""); err != nil {
			say.log("hide " + path + ": " + err.Error())
		}
	}
	return func() {
		for _, path := range paths {
			if err := unix.Unmount(path, 0); err != nil {
				say.log("show " + path + ": " + err.Error())
			}
		}
	}
}

// setSysctls writes the values and gives the function that writes back the old.
func setSysctls(values map[string]string, say *console) (restore func()) {
	old := map[string]string{}
	set := func(key, value string) {
		if err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0o644); err != nil {
			say.log("set " + key + ": " + err.Error())
		}
	}
	for key, value := range values {
		if was, err := os.ReadFile(filepath.Join("/proc/sys", key)); err == nil {
			old[key] = strings.TrimSpace(string(was))
		}
		set(key, value)
	}
	return func() {
		for key, value := range old {
			set(key, value)
		}
	}
}
