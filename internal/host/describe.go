// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"strconv"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Describe names a namespace, and whose it is: that of the pod or container whose
// process was met in it. The agent's own is nobody's, whoever shares it. Its Header is
// the caller's to fill.
func (h *Host) Describe(at Target) *event.Namespace {
	told := &event.Namespace{Name: at.Name, Path: at.Path}
	if at.Inode == h.own || at.PID == 0 || h.world.Process == nil {
		return told
	}
	if inode, err := h.world.Inode(netnsOf(at.PID)); err != nil || inode != at.Inode {
		return told // it has ended, and its PID may be another's
	}
	owner := h.world.Process(at.PID, 0)
	told.Pod = owner.Pod
	told.Pod.Container = "" // a pod's containers share it
	if owner.Pod.UID == "" {
		told.ContainerID = owner.ContainerID
	}
	return told
}

func netnsOf(pid uint32) string { return "/proc/" + strconv.FormatUint(uint64(pid), 10) + "/ns/net" }
