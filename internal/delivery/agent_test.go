// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// program builds the agent as it is shipped, and gives its path.
func program(t *testing.T) string {
	t.Helper()
	return kerneltest.BuildAgent(t, t.TempDir(), "-trimpath", "-ldflags", "-s -w")
}

// agent is `trapbpf run` as a process of its own.
type agent struct {
	t              *testing.T
	binary, config string
	command        *exec.Cmd
	log            *os.File // of the newest run
	stdout         *os.File // of all runs
	ended          chan struct{}
}

// newAgent writes the configuration, which names the folder of the test as DIR.
func newAgent(t *testing.T, dir, text string) *agent {
	t.Helper()
	runtime.LockOSThread() // to the kernel the parent is the thread: it lasts as long as the test
	a := &agent{t: t, binary: program(t), config: filepath.Join(dir, "trapbpf.yaml")}
	put(t, a.config, []byte(strings.ReplaceAll(text, "DIR", dir)))
	var err error
	if a.stdout, err = os.Create(filepath.Join(dir, "stdout")); err != nil {
		t.Fatal(err)
	}
	if a.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.end(syscall.SIGKILL)
		if t.Failed() {
			text, _ := os.ReadFile(a.log.Name()) // what there is
			t.Logf("the agent said: %.20000s", text)
		}
		_ = a.stdout.Close() // it was the agent who wrote
		_ = a.log.Close()
	})
	return a
}

// start runs it, and waits until it misses nothing.
func (a *agent) start() {
	a.t.Helper()
	a.command = exec.Command(a.binary, "run", "--config", a.config)
	a.command.Stdout, a.command.Stderr = a.stdout, a.log
	a.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	from, err := a.log.Seek(0, io.SeekEnd)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.command.Start(); err != nil {
		a.t.Fatal(err)
	}
	ended := make(chan struct{})
	a.ended = ended
	go func(c *exec.Cmd) {
		_ = c.Wait() // its state tells
		close(ended)
	}(a.command)
	kerneltest.Within(a.t, patience, "the agent to watch", func() bool {
		select {
		case <-ended:
			a.t.Fatal("the agent ended: ", a.command.ProcessState)
		default:
		}
		text, err := os.ReadFile(a.log.Name())
		return err == nil && strings.Contains(string(text[from:]), `"message":"watching"`)
	})
}

// end sends a signal and waits for the end; it gives the exit code, -1 for a death by signal.
func (a *agent) end(signal os.Signal) int {
	if a.command == nil {
		return 0
	}
	_ = a.command.Process.Signal(signal) // it may have ended
	<-a.ended
	code := a.command.ProcessState.ExitCode()
	a.command = nil
	return code
}

// fileLines gives the lines of the file sink, and of the files that were moved away.
func (a *agent) fileLines() []string {
	paths, err := filepath.Glob(filepath.Join(filepath.Dir(a.config), "out*"))
	if err != nil {
		a.t.Fatal(err)
	}
	var lines []string
	for _, path := range paths {
		lines = append(lines, linesOf(a.t, path)...)
	}
	return lines
}

// moveFile moves the file sink's file away.
func (a *agent) moveFile(n int) {
	out := filepath.Join(filepath.Dir(a.config), "out")
	if err := os.Rename(out, fmt.Sprintf("%s.moved%d", out, n)); err != nil {
		a.t.Fatal(err)
	}
}
