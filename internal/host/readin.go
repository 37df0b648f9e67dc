// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxConf bounds what is read of another process's file: it may be anything.
const maxConf = 64 << 10

// readIn implements World.ReadIn. A symbolic link in a container leads inside of it,
// never into the host's own files (openat2(2), RESOLVE_IN_ROOT), and what is no
// ordinary file is not waited for.
func readIn(root, path string) ([]byte, error) {
	if root == "" {
		root = "/"
	}
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(dir)
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK, Resolve: unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(dir, path, &how)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: root + path, Err: err}
	}
	file := os.NewFile(uintptr(fd), root+path)
	defer file.Close() // only read
	return io.ReadAll(io.LimitReader(file, maxConf))
}

// sameFile implements World.SameFile.
func sameFile(a, b string) bool {
	first, err := os.Lstat(a)
	if err != nil {
		return false
	}
	second, err := os.Lstat(b)
	return err == nil && os.SameFile(first, second)
}
