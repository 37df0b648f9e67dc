// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mount is one file system of an ordinary host. A script can leave it out by name.
type mount struct{ name, kind, at string }

// mounts gives them in order: each after those that it is mounted below.
func mounts() []mount {
	return []mount{
		{"proc", "proc", "/proc"},
		{"sysfs", "sysfs", "/sys"},
		{"devtmpfs", "devtmpfs", "/dev"},
		{"debugfs", "debugfs", "/sys/kernel/debug"},
		{"tracefs", "tracefs", "/sys/kernel/tracing"},
		{"bpf", "bpf", "/sys/fs/bpf"},
		{"cgroup2", "cgroup2", "/sys/fs/cgroup"},
		{"run", "tmpfs", "/run"},
		{"tmp", "tmpfs", "/tmp"},
	}
}

func (m mount) do() error {
	// Below /sys the kernel makes the mount points itself and refuses mkdir.
	if err := os.MkdirAll(m.at, 0o755); err != nil && !os.IsPermission(err) {
		return fmt.Errorf("make %s: %w", m.at, err)
	}
	if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.kind, m.at, err)
	}
	return nil
}

// loopback brings lo up: 127.0.0.1 and ::1 come with it.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// release is the kernel's own name for itself, as `uname -r` prints it.
func release() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(name.Release[:])
}
