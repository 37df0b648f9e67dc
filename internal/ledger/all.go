// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Extension ends a ledger's name in a folder of several.
const Extension = ".jsonl"

// ReadFolder gives the findings of every ledger in a folder, in the order of their
// names. A folder that isn't there holds none; one that cannot be read, or a ledger in
// it, is an error beside the findings of the others.
func ReadFolder(folder string) ([]Findings, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	var all []Findings
	var damage error
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), Extension) {
			continue
		}
		one, err := Read(filepath.Join(folder, entry.Name()))
		switch {
		case errors.Is(err, os.ErrNotExist): // its agent ended meanwhile
		case err != nil:
			damage = errors.Join(damage, err)
		default:
			all = append(all, one)
		}
	}
	return all, damage
}

// Remove takes a ledger that nobody needs any more off the disk, its lock last.
func Remove(path string) error {
	return errors.Join(os.Remove(path), os.Remove(path+".lock"))
}
