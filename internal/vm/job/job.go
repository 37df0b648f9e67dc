// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package job holds what the host asks a guest to do, and the lines by which the
// guest tells how it went.
//
// Both sides are built from this one package: the script goes into the guest's
// initramfs as JSON, the marks come back over its serial console.
package job

import "time"

// Path is where the guest finds its Script, Modules the folder of the kernel
// modules it loads, in the order of their names.
const (
	Path    = "/job.json"
	Modules = "/modules"
)

// Script is all that a guest does before it powers off.
type Script struct {
	Jobs []Job `json:"jobs"`
	// Without names mounts that are left out: "tracefs", "cgroup2", "bpf",
	// "debugfs". It shows how the agent does on a barer host.
	Without []string `json:"without,omitempty"`
}

// Job is one program run.
type Job struct {
	// Name tells it apart from the script's others.
	Name string   `json:"name"`
	Argv []string `json:"argv"`
	Env  []string `json:"env,omitempty"`
	// Dir is the working directory, "/" where empty.
	Dir string `json:"dir,omitempty"`
	// Limit ends a run that hangs, in the guest's own time.
	Limit time.Duration `json:"limit"`
	// Sysctl are files below /proc/sys with the value to write before the run.
	// The previous values come back after it.
	Sysctl map[string]string `json:"sysctl,omitempty"`
	// Hide are directories that are empty during the run.
	Hide []string `json:"hide,omitempty"`
	// Drop are capability numbers that the program must do without.
	Drop []uintptr `json:"drop,omitempty"`
}

// Outcome is how one job went.
type Outcome struct {
	Name string
	// Code is the exit code; 128 plus the signal where one ended it; -1 where it
	// could not be started.
	Code int
	// Stdout and Stderr are whole, line ends normalised.
	Stdout, Stderr string
	// Wall is the guest's time, Processor what the emulator took of the host's, the boot
	// before a machine's first job included.
	Wall, Processor time.Duration
	// ResidentKiB is the largest resident set that the program had.
	ResidentKiB int64
	// Ended is false where the machine went down before the job was over.
	Ended bool
}
