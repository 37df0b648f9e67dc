// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"strconv"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// maxViews bounds how many files of other mount namespaces are read.
const maxViews = 512

// Resolvers gives the resolv.conf of every mount namespace but the agent's own: what the
// programs of containers read. Those that the caller may not look into are left out.
// Header.Netns is the network namespace of the process whose file it is.
func (h *Host) Resolvers() []event.Resolver {
	own, err := h.world.ReadLink("/proc/self/ns/mnt")
	if err != nil {
		return nil // no /proc
	}
	seen := map[string]bool{own: true}
	var all []event.Resolver
	for _, pid := range h.processes() {
		proc := "/proc/" + strconv.Itoa(pid)
		space, err := h.world.ReadLink(proc + "/ns/mnt")
		if err != nil || seen[space] || len(seen) > maxViews {
			continue
		}
		seen[space] = true
		content, err := h.world.ReadIn(proc+"/root", resolvConf)
		if err != nil {
			continue
		}
		netns, _ := h.world.Inode(proc + "/ns/net") // 0 where it has just ended
		r := event.Resolver{Header: event.Header{Time: h.world.Now(), Netns: netns}, PID: uint32(pid), Path: proc + "/root" + resolvConf}
		parseResolvConf(&r, string(content))
		all = append(all, r)
	}
	return all
}
