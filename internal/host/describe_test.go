// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"testing"

	"github.com/trapbpf/trapbpf/pkg/event"
)

func TestNamespaceIsItsPodsOrContainers(t *testing.T) {
	f := newFake()
	f.inodes["/run/netns/green"] = podInode // a pod's, as a network plug-in names it
	owner := event.Process{ContainerID: "c1", Pod: event.Pod{UID: "u1", Namespace: "shop", Name: "api", Container: "api"}}
	asked := uint32(0)
	w := f.world()
	w.Process = func(pid uint32, _ uint64) event.Process { asked = pid; return owner }
	h := New(w)
	answer, err := h.Answer(t.Context(), event.Want{Of: event.KindNamespace, Netns: podInode})
	if err != nil {
		t.Fatal(err)
	}
	got := answer.(*event.Namespace)
	if got.Pod != (event.Pod{UID: "u1", Namespace: "shop", Name: "api"}) || got.ContainerID != "" || got.Name != "green" || asked != 9 {
		t.Errorf("a pod's: %+v, asked of %d", got, asked)
	}
	owner.Pod = event.Pod{}
	at, _ := h.Locate(podInode)
	if got := h.Describe(at); got.ContainerID != "c1" || got.Pod != (event.Pod{}) {
		t.Errorf("a container's: %+v", got)
	}
	f.inodes["/proc/9/ns/net"] = ownInode // another process has the PID now
	if got := h.Describe(at); got.ContainerID != "" || got.Name != "green" {
		t.Errorf("after its process ended: %+v", got)
	}
	if got := h.Describe(Target{Inode: ownInode, PID: 1}); got.ContainerID != "" {
		t.Errorf("the agent's own: %+v", got)
	}
}
