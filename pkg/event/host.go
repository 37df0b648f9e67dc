// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

// Host is who observes: told once, first in a recording.
type Host struct {
	Header
	Name         string `json:"name"`
	Kernel       string `json:"kernel"`
	Architecture string `json:"architecture"`
	// Seed makes the ids of this run's findings and records: they are computed,
	// not drawn, so that a replay repeats them.
	Seed string `json:"seed"`
	// AgentNetns is the namespace that the agent itself runs in: findings from
	// it need no "enter the namespace" before their commands.
	AgentNetns Netns `json:"agent_netns"`
	// Version is the agent's.
	Version string `json:"version"`
}

// Kind implements Event.
func (*Host) Kind() Kind { return KindHost }

// Namespace names a network namespace, or tells that it is gone.
type Namespace struct {
	Header
	// Name is its name under /run/netns, "" where it has none.
	Name string `json:"name,omitempty"`
	// Path is a file by which it can be entered now, "" where none was found.
	Path string `json:"path,omitempty"`
	// Gone is true once nothing holds the namespace any more.
	Gone bool `json:"gone,omitempty"`
	// Pod, or ContainerID without one, is whose namespace it is: what is dropped there,
	// in an interrupt, belongs to no process. Both are empty for the host's own.
	ContainerID string `json:"container_id,omitempty"`
	Pod         Pod    `json:"pod,omitzero"`
}

// Kind implements Event.
func (*Namespace) Kind() Kind { return KindNamespace }

// Process is what could be learnt of a socket's owner while it lived.
type Process struct {
	Header
	PID        uint32 `json:"pid"`
	Name       string `json:"name,omitempty"`
	Executable string `json:"executable,omitempty"`
	// CgroupPath is relative to the cgroup v2 root. Cgroup is its id, as Owner has it, where
	// the question named it and the process is still in it.
	CgroupPath string `json:"cgroup_path,omitempty"`
	Cgroup     uint64 `json:"cgroup,omitempty"`
	// Unit is the systemd unit that it belongs to, "" in a container.
	Unit        string `json:"unit,omitempty"`
	ContainerID string `json:"container_id,omitempty"`
	// Runtime is what made the container: "containerd", "cri-o", "docker" or "podman",
	// "" where its control group does not tell.
	Runtime string `json:"runtime,omitempty"`
	Pod     Pod    `json:"pod,omitzero"`
}

// Pod is a Kubernetes pod. What is not known of it is "": the node's log files tell all
// but the UID.
type Pod struct {
	UID       string `json:"uid,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// Container is the name of the process's container in it.
	Container string `json:"container,omitempty"`
}

// Kind implements Event.
func (*Process) Kind() Kind { return KindProcess }

// Hook tells how one row of the hook table fared.
type Hook struct {
	Header
	// Name is the row's, Sight the sight that it serves.
	Name  string `json:"name"`
	Sight string `json:"sight"`
	// Rung is where it stands ("tp_btf", "fentry", ...), "" where nothing attached.
	Rung string `json:"rung,omitempty"`
	// Higher are the rungs above with the reason each was refused.
	Higher []string `json:"higher,omitempty"`
	// Blind says why no rung attached.
	Blind string `json:"blind,omitempty"`
	// Placed are the drop reasons that a trap rests on and this kernel does not give,
	// so that the place of the drop must tell (GroundPlace); Untold those that not even
	// that tells, as the kernel hides its symbols.
	Placed []string `json:"placed,omitempty"`
	Untold []string `json:"untold,omitempty"`
}

// Kind implements Event.
func (*Hook) Kind() Kind { return KindHook }

// Loss tells that events never reached the stream.
type Loss struct {
	Header
	// Of is the kind that was lost.
	Of Kind `json:"of"`
	// Stage is where: "ring" (no room to reserve), "map" (no room to aggregate),
	// "decode" (malformed sample).
	Stage string `json:"stage"`
	// Count is how many since the agent attached.
	Count uint64 `json:"count"`
}

// Kind implements Event.
func (*Loss) Kind() Kind { return KindLoss }
