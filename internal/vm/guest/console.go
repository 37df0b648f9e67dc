// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/vm/job"
)

// console is the serial line to the host. One write is one line, never mixed with
// another's.
type console struct {
	mu  sync.Mutex
	out io.Writer
}

func (c *console) write(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A console that cannot be written to leaves nobody to tell.
	_, _ = io.WriteString(c.out, line)
}

func (c *console) log(line string) { c.write(job.Log(line)) }

// drain waits until the last byte has left the port: power-off does not.
func (c *console) drain() { _ = unix.IoctlSetInt(1, unix.TCSBRK, 1) }

// lines passes a job's output on, each whole line under its mark.
type lines struct {
	mark func(string) string
	say  *console
	rest []byte
}

// Write implements io.Writer. An unfinished last line waits for its end.
func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.say.write(l.mark(string(line)))
		l.rest = rest
	}
}

// flush passes on a last line that had no end.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.say.write(l.mark(string(l.rest)))
		l.rest = nil
	}
}

// logLines bounds how much of the kernel's log is told, logBytes how much is read.
const (
	logLines = 100
	logBytes = 1 << 20
)

// kernelLog tells what the kernel complained of: levels 0 (emergency) to 3 (error).
func kernelLog(say *console) {
	buf := make([]byte, logBytes)
	n, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, buf)
	if err != nil {
		say.log("read the kernel's log: " + err.Error())
		return
	}
	told := 0
	for line := range strings.Lines(string(buf[:n])) {
		if len(line) < 3 || line[0] != '<' || line[1] > '3' || line[2] != '>' {
			continue
		}
		if told++; told > logLines {
			say.log("more lines of the kernel's log are left out")
			return
		}
		say.log(strings.TrimSpace(line[3:]))
	}
}
