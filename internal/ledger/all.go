// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
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

// Sweep removes the ledgers of a folder that no agent keeps any more: what agents that
// were killed have left. It gives how many those were.
func Sweep(folder string) (int, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("sweep findings: %w", err)
	}
	swept := 0
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), Extension) {
			continue
		}
		gone, sweepErr := sweep(filepath.Join(folder, entry.Name()))
		err = errors.Join(err, sweepErr)
		if gone {
			swept++
		}
	}
	return swept, err
}

// sweep removes one ledger, under its lock: an agent that opens it just now has it.
func sweep(path string) (bool, error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false, fmt.Errorf("sweep findings: %w", err)
	}
	defer lock.Close() // nothing was written
	if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return false, nil
	}
	return true, Remove(path)
}

// Remove takes a ledger that nobody needs any more off the disk, its lock last.
func Remove(path string) error {
	return errors.Join(os.Remove(path), os.Remove(path+".lock"))
}
