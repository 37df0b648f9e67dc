// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package enrich

import "strings"

// control reads a /proc/PID/cgroup (cgroups(7)): lines of "hierarchy:controllers:path".
// The unified hierarchy is number 0 and has no controllers. On a host with both,
// the container may show in the old hierarchies alone; then the path that names it is
// told.
func control(groups string) (path, container string) {
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		unified := fields[0] == "0" && fields[1] == ""
		found := containerID(fields[2])
		switch {
		case unified && (found != "" || container == ""):
			path, container = fields[2], found
		case !unified && container == "" && found != "":
			path, container = fields[2], found
		}
	}
	return path, container
}

// containerID finds the container that a control group belongs to, "" where it is
// none's. Containers nest, so the last one of the path counts.
//
//	docker      /docker/ID, /system.slice/docker-ID.scope
//	containerd  /kubepods/.../podUID/ID, /kubepods-...slice/cri-containerd-ID.scope,
//	            /system.slice/containerd.service/kubepods-...slice:cri-containerd:ID
//	cri-o       /kubepods.slice/.../crio-ID.scope
//	podman      /machine.slice/libpod-ID.scope/container, /libpod_parent/libpod-ID
//	ECS         /ecs/TASK/TASK-NUMBER
func containerID(path string) string {
	for path != "" {
		slash := strings.LastIndexByte(path, '/')
		if id := idOf(path[slash+1:]); id != "" {
			return id
		}
		path = path[:max(slash, 0)]
	}
	return ""
}

func idOf(part string) string {
	part = strings.TrimSuffix(part, ".scope")
	part = part[strings.LastIndexByte(part, ':')+1:]
	before, last := "", part
	if dash := strings.LastIndexByte(part, '-'); dash >= 0 {
		before, last = part[:dash], part[dash+1:]
	}
	switch {
	case strings.HasSuffix(before, "conmon"): // watches the container, from outside
		return ""
	case len(last) == 64 && only(last, "0123456789abcdef"):
		return last
	case len(before) == 32 && only(before, "0123456789abcdef") && last != "" && only(last, "0123456789"):
		return part
	default:
		return ""
	}
}

func only(s, of string) bool { return strings.Trim(s, of) == "" }
