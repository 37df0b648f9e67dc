// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package enrich

import "os"

// Files is what the package knows of the outside.
type Files struct {
	ReadFile func(path string) ([]byte, error)
	ReadLink func(path string) (string, error)
	// List gives the names in a directory, in no order.
	List func(dir string) ([]string, error)
	// Group gives the path of a control group by its id, relative to the hierarchy's root.
	Group func(id uint64) (string, error)
}

// Real gives the running host's files.
func Real() Files { return Under("") }

// Under gives files below a root: a host's tree that is mounted elsewhere. Control groups
// are those of the running kernel.
func Under(root string) Files {
	return Files{
		ReadFile: func(path string) ([]byte, error) { return os.ReadFile(root + path) },
		ReadLink: func(path string) (string, error) { return os.Readlink(root + path) },
		List: func(dir string) ([]string, error) {
			f, err := os.Open(root + dir)
			if err != nil {
				return nil, err
			}
			defer f.Close() // only read
			return f.Readdirnames(-1)
		},
		Group: groupPath,
	}
}
