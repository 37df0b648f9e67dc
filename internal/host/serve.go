// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"strconv"
	"strings"
)

// maxDescriptors bounds how many of a process's files are looked at.
const maxDescriptors = 4096

// serves tells whether a process has a socket that is bound to port 53 of a namespace by
// UDP: it is somebody's resolver.
func (h *Host) serves(at Target, pid uint32) bool {
	if pid == 0 {
		return false
	}
	sockets := map[string]bool{}
	_ = h.world.Inside(at.Path, at.Inode, func() error { // one that is gone has no sockets
		for _, table := range []string{"udp", "udp6"} {
			content, _ := h.world.ReadFile(procNet + table) // "" where there is no IPv6
			boundTo(string(content), ":0035", sockets)
		}
		return nil
	})
	if len(sockets) == 0 {
		return false
	}
	proc := "/proc/" + strconv.FormatUint(uint64(pid), 10) + "/fd"
	names, _ := h.world.List(proc) // nil where it has ended
	for _, name := range names[:min(len(names), maxDescriptors)] {
		if target, err := h.world.ReadLink(proc + "/" + name); err == nil && sockets[target] {
			return true
		}
	}
	return false
}

// boundTo adds the sockets of a table like /proc/net/udp whose own port is that one, as
// links under /proc/PID/fd name them. Connected ones are a client's.
func boundTo(table, port string, sockets map[string]bool) {
	const local, remote, inode = 1, 2, 9
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		if len(words) > inode && strings.HasSuffix(words[local], port) && strings.HasSuffix(words[remote], ":0000") {
			sockets["socket:["+words[inode]+"]"] = true
		}
	}
}
