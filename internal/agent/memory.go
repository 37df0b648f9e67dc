// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// forgetStart gives back the pages of the program that only its start needed: loading and
// attaching run through most of it once, and the kernel maps 64 KiB around each page that
// is touched. What is asked for again is read from the page cache, or from disk.
func (a *Agent) forgetStart() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return // what is kept costs memory only
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		from, to, ok := constant(line, self)
		if !ok {
			continue
		}
		// By the number, since the slice that Madvise wants must not be one of Go's heap.
		if _, _, errno := syscall.RawSyscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
			a.log.Debug("pages of the program not given back", zap.Error(errno))
		}
	}
}

// constant takes a line of proc_pid_maps(5) and gives the bounds of a mapping of the program
// that nobody can have written to.
func constant(line, program string) (from, to uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || strings.Join(fields[5:], " ") != program || strings.Contains(fields[1], "w") {
		return 0, 0, false
	}
	_, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to)
	return from, to, err == nil && from < to
}
