// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// attachCgroup attaches at the sockets of every control group: to the root of the
// hierarchy, where other programs keep their place beside this one. It is undone by
// the kernel when the agent ends, however it ends.
func (r *row) attachCgroup(how ebpf.AttachType, program *ebpf.Program) error {
	root, err := openCgroupRoot()
	if err != nil {
		return err
	}
	defer root.Close()
	made, err := link.AttachCgroup(link.CgroupOptions{
		Path:    fmt.Sprintf("/proc/self/fd/%d", root.Fd()),
		Attach:  how,
		Program: program,
	})
	if err != nil {
		return fmt.Errorf("attach to control groups: %w", err)
	}
	r.links = append(r.links, made)
	return nil
}

// openCgroupRoot opens the root of the cgroup v2 hierarchy, wherever it is mounted, and
// where it is not, by a mount that nobody else sees. In a container that has a view of
// its own control group only, that is the root: a host's mount shows more, and is
// preferred.
func openCgroupRoot() (*os.File, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("look for control groups: %w", err)
	}
	if path := cgroupRoot(string(mounts)); path != "" {
		return os.Open(path)
	}
	return mountCgroup()
}

// cgroupRoot finds the mount of cgroup v2 that shows most, in a mountinfo
// (proc_pid_mountinfo(5)): field 4 is what of the hierarchy the mount shows, and
// begins with ".." where that is above the reader's own root.
func cgroupRoot(mountinfo string) string {
	path, rank := "", 0
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		found := 1
		switch {
		case strings.HasPrefix(fields[3], "/.."):
			found = 3
		case fields[3] == "/":
			found = 2
		}
		if found > rank {
			path, rank = fields[4], found
		}
	}
	if rank == 1 { // a part of the hierarchy only
		return ""
	}
	return path
}

// mountCgroup gives the hierarchy's root by a mount that is attached nowhere and goes
// with its descriptor (fsopen(2), since 5.2).
func mountCgroup() (*os.File, error) {
	fs, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open cgroup v2: %w", err)
	}
	defer unix.Close(fs)
	err = unix.FsconfigCreate(fs)
	if errors.Is(err, unix.EPERM) {
		return nil, fmt.Errorf("%w: CAP_SYS_ADMIN missing to mount cgroup v2", ErrPrivilege)
	}
	if err != nil {
		return nil, fmt.Errorf("mount cgroup v2: %w", err)
	}
	root, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, fmt.Errorf("mount cgroup v2: %w", err)
	}
	return os.NewFile(uintptr(root), "cgroup2"), nil
}
