// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/privilege"
)

// ErrPrivilege is wrapped by errors that name the capability that is missing.
var ErrPrivilege = errors.New("not enough privilege")

// ErrUnsupported is wrapped by errors that say what this kernel lacks.
var ErrUnsupported = errors.New("kernel not supported")

// oldest is the first kernel with the BPF ring buffer and the boot clock: 5.8.
const oldest = 5<<16 | 8<<8

// kernelTypes is where a kernel with CONFIG_DEBUG_INFO_BTF shows its types.
const kernelTypes = "/sys/kernel/btf/vmlinux"

func supported() error {
	_, types := os.Stat(kernelTypes)
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("read the kernel's version: %w", err)
	}
	return fit(versionOf(unix.ByteSliceToString(u.Release[:])), types)
}

// versionOf gives the version code of a release such as 6.1.0-50-amd64. One that
// cannot be read is taken for new: loading will tell. The release needs no /proc, which
// a container may lack.
func versionOf(release string) uint32 {
	var major, minor uint32
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return oldest
	}
	return major<<16 | min(minor, 255)<<8
}

// fit judges a kernel by its version code and by what looking for its types gave.
func fit(version uint32, types error) error {
	switch {
	case version < oldest:
		return fmt.Errorf("%w: it is older than 5.8, which brought the BPF ring buffer: use a newer one", ErrUnsupported)
	case errors.Is(types, fs.ErrNotExist):
		return fmt.Errorf("%w: %s is missing: use a kernel built with CONFIG_DEBUG_INFO_BTF=y", ErrUnsupported, kernelTypes)
	}
	return nil
}

// privileged tells whether the programs may be loaded: by CAP_BPF and CAP_PERFMON,
// or by CAP_SYS_ADMIN, which holds both (capabilities(7)).
func privileged() error {
	held, err := privilege.Held()
	if err != nil {
		return err
	}
	return enough(held)
}

func enough(held privilege.Set) error {
	if held.Has(unix.CAP_SYS_ADMIN) {
		return nil
	}
	var missing []string
	if !held.Has(unix.CAP_BPF) {
		missing = append(missing, "CAP_BPF")
	}
	if !held.Has(unix.CAP_PERFMON) {
		missing = append(missing, "CAP_PERFMON")
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s missing: run as root", ErrPrivilege, strings.Join(missing, " and "))
}
