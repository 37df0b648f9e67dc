// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package enrich

import "strings"

// group is what the path of a control group tells.
type group struct {
	path, container, runtime, pod, unit string
}

// control reads a /proc/PID/cgroup (cgroups(7)): lines of "hierarchy:controllers:path".
// The unified hierarchy is number 0 and has no controllers. On a host with both,
// the container may show in the old hierarchies alone; then the path that names it is
// told. Units are those of the unified hierarchy, or of systemd's own.
func control(groups string) group {
	var found group
	var unit string
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		unified := fields[0] == "0" && fields[1] == ""
		g := groupOf(fields[2])
		if (unified || fields[1] == "name=systemd") && g.unit != "" {
			unit = g.unit
		}
		if g.container != "" && (unified || found.container == "") || unified && found.container == "" {
			found = g
		}
	}
	found.unit = ""
	if found.container == "" && found.pod == "" {
		found.unit = unit
	}
	return found
}

// groupOf finds the container, pod or unit that a control group belongs to. Containers
// nest, so the last one of the path counts.
//
//	docker      /docker/ID, /system.slice/docker-ID.scope
//	containerd  /kubepods/.../podUID/ID, /kubepods-...slice/cri-containerd-ID.scope,
//	            /system.slice/containerd.service/kubepods-...slice:cri-containerd:ID
//	cri-o       /kubepods.slice/.../crio-ID.scope
//	podman      /machine.slice/libpod-ID.scope/container, /libpod_parent/libpod-ID
//	ECS         /ecs/TASK/TASK-NUMBER
func groupOf(path string) group {
	g := group{path: path}
	for rest := path; rest != ""; {
		slash := strings.LastIndexByte(rest, '/')
		part, before := rest[slash+1:], rest[:max(slash, 0)]
		if g.container == "" && g.pod == "" {
			g.container = idOf(part)
			g.runtime = runtimeOf(part, before, g.container)
		}
		if g.pod == "" {
			g.pod = podOf(part)
		}
		if g.unit == "" && (strings.HasSuffix(part, ".service") || strings.HasSuffix(part, ".scope")) {
			g.unit = part
		}
		rest = before
	}
	return g
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
	case len(last) == 64 && only(last, hexadecimal):
		return last
	case len(before) == 32 && only(before, hexadecimal) && last != "" && only(last, "0123456789"):
		return part
	default:
		return ""
	}
}

const hexadecimal = "0123456789abcdef"

// runtimeOf tells by the name of a container's control group who made it.
func runtimeOf(part, before, container string) string {
	switch {
	case container == "":
		return ""
	case strings.HasPrefix(part, "cri-containerd-"), strings.Contains(part, ":cri-containerd:"):
		return "containerd"
	case strings.HasPrefix(part, "crio-"):
		return "cri-o"
	case strings.HasPrefix(part, "libpod-"):
		return "podman"
	case strings.HasPrefix(part, "docker-"), strings.HasSuffix(before, "/docker"):
		return "docker"
	default:
		return ""
	}
}

// podOf gives the UID of the pod that a part of a path stands for, "" where it stands for
// none. The kubelet writes podUID, under systemd kubepods-CLASS-podUID.slice with
// underscores for the dashes. A pod that a file on the node describes has the hash of that
// file for a UID.
func podOf(part string) string {
	part, _, _ = strings.Cut(part, ":")
	part, systemd := strings.CutSuffix(part, ".slice")
	mark := strings.LastIndex(part, "pod")
	if mark < 0 || systemd && !strings.HasPrefix(part, "kubepods") || !systemd && mark > 0 {
		return ""
	}
	uid := strings.ReplaceAll(part[mark+len("pod"):], "_", "-")
	digits := strings.ReplaceAll(uid, "-", "")
	if len(digits) != 32 || !only(digits, hexadecimal) || len(uid) != 32 && len(uid) != 36 {
		return ""
	}
	return uid
}

func only(s, of string) bool { return strings.Trim(s, of) == "" }
