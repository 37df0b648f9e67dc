// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package enrich

import (
	"slices"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Where the kubelet keeps the logs of a node's pods: a directory for each pod,
// NAMESPACE_NAME_UID, with one in it for each container, and a link for each container,
// NAME_NAMESPACE_CONTAINER-ID.log. None of these names can have an underscore in it.
const (
	podLogs       = "/var/log/pods"
	containerLogs = "/var/log/containers"
)

// maxPods bounds the memory of containers: some hundred kilobytes.
const maxPods = 2048

// pods tells which pod a container belongs to, by the names of log files: that needs no
// rights in the cluster, and works while its API is out of reach.
type pods struct {
	files Files
	// known are the pods found, by UID and container. What was not found is looked for
	// again: a container may be older than its log.
	known map[[2]string]event.Pod
}

func newPods(files Files) *pods { return &pods{files, map[[2]string]event.Pod{}} }

// find gives what is known of the pod with that UID, and of its container with that id.
func (p *pods) find(uid, container string) event.Pod {
	if uid == "" {
		return event.Pod{}
	}
	key := [2]string{uid, container}
	if pod, ok := p.known[key]; ok {
		return pod
	}
	pod := p.look(uid, container)
	if pod.Name != "" && (pod.Container != "" || container == "") {
		if len(p.known) >= maxPods {
			clear(p.known)
		}
		p.known[key] = pod
	}
	return pod
}

func (p *pods) look(uid, container string) event.Pod {
	pod := event.Pod{UID: uid}
	dirs, _ := p.files.List(podLogs) // there is none where there is no kubelet
	for _, dir := range dirs {
		if parts := strings.Split(dir, "_"); len(parts) == 3 && parts[2] == uid {
			pod.Namespace, pod.Name = parts[0], parts[1]
		}
	}
	if pod.Name != "" {
		pod.Container = p.container(pod, container)
	}
	return pod
}

// container gives the name of a container of a pod: the one that a link names, else the
// only one that the pod has.
func (p *pods) container(pod event.Pod, id string) string {
	if id == "" {
		return ""
	}
	links, _ := p.files.List(containerLogs)
	before, after := pod.Name+"_"+pod.Namespace+"_", "-"+id+".log"
	if at := slices.IndexFunc(links, func(link string) bool {
		return strings.HasPrefix(link, before) && strings.HasSuffix(link, after) && len(link) > len(before)+len(after)
	}); at >= 0 {
		return links[at][len(before) : len(links[at])-len(after)]
	}
	names, _ := p.files.List(podLogs + "/" + pod.Namespace + "_" + pod.Name + "_" + pod.UID)
	if len(names) != 1 || len(links) > 0 {
		return "" // it is the sandbox's, or one of several
	}
	return names[0]
}
