// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// tracefsPath is the usual mount point; the kernel makes the directory.
const tracefsPath = "/sys/kernel/tracing"

// mountTracefs mounts tracefs where it is not mounted yet. Minimal systems do not
// mount it at boot; it stays mounted, as others may use it by then.
func mountTracefs() error {
	if _, err := os.Stat(tracefsPath + "/events"); err == nil {
		return nil
	}
	err := unix.Mount("nodev", tracefsPath, "tracefs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if err == nil || errors.Is(err, unix.EBUSY) {
		return nil
	}
	return fmt.Errorf("mount tracefs on %s: %w", tracefsPath, err)
}
