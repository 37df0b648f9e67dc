// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// daemon is a program that the test runs in the foreground, and may kill.
type daemon struct {
	t       *testing.T
	path    string
	args    []string
	command *exec.Cmd
	said    bytes.Buffer
}

// up starts it; it dies with the test's process, too.
func (d *daemon) up() {
	d.t.Helper()
	d.command = exec.Command(d.path, d.args...)
	d.command.Stdout, d.command.Stderr = &d.said, &d.said
	d.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.command.Start(); err != nil {
		d.t.Fatal(err)
	}
}

// down ends it by a signal and waits for that.
func (d *daemon) down(signal os.Signal) {
	if d.command == nil {
		return
	}
	_ = d.command.Process.Signal(signal) // it may have ended
	_ = d.command.Wait()                 // how it ended was our doing
	d.command = nil
}

func newDaemon(t *testing.T, path string, args ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, path: path, args: args}
	t.Cleanup(func() {
		d.down(os.Kill)
		if t.Failed() {
			t.Logf("%s said: %s", path, d.said.String())
		}
	})
	return d
}

// freePort gives a TCP port of loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func listens(t *testing.T, port string) {
	t.Helper()
	kerneltest.Within(t, patience, "a listener on "+port, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		_ = conn.Close() // only to see that it is there
		return true
	})
}

// linesOf gives the whole lines of a file, none where there is no file yet.
func linesOf(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if whole, ok := strings.CutSuffix(line, "\n"); ok {
			lines = append(lines, whole)
		}
	}
	return lines
}
