// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package enrich

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// fileIDKernfs is FILEID_KERNFS: a file handle that is the id of a kernfs node, as the
// control groups' are (kernfs, since Linux 5.5).
const fileIDKernfs = 0xfe

// groupPath opens a control group by its id and asks where it is. A group is gone once
// its last process is, unless its manager keeps it: a container's outlives the programs
// that run in it for a moment. It needs CAP_DAC_READ_SEARCH.
func groupPath(id uint64) (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	root := unifiedMount(string(mounts))
	if root == "" {
		return "", errors.New("find control group: no cgroup v2 hierarchy is mounted")
	}
	mount, err := unix.Open(root, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", root, err)
	}
	defer unix.Close(mount)
	handle := unix.NewFileHandle(fileIDKernfs, binary.NativeEndian.AppendUint64(nil, id))
	fd, err := unix.OpenByHandleAt(mount, handle, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("find control group %d: %w", id, err)
	}
	defer unix.Close(fd)
	full, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return "", err
	}
	return path.Join("/", strings.TrimPrefix(full, root)), nil
}

// unifiedMount finds where cgroup v2 is mounted, in a mountinfo (proc_pid_mountinfo(5)).
func unifiedMount(mountinfo string) string {
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if ok && strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 {
			return fields[4]
		}
	}
	return ""
}
