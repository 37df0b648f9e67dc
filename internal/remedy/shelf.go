// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Shelf keeps changes that are in force in a folder, private to root, one file for each
// finding. It should lie where it does not outlive the host, as no runtime step does.
type Shelf struct{ Folder string }

// Keep writes a change down: before it is done, and again with what is known then.
func (s Shelf) Keep(id string, c *Change) error {
	path, err := s.path(id)
	if err != nil {
		return err
	}
	return s.write(path, c)
}

// Get gives a finding's change. Where none is there the error wraps fs.ErrNotExist.
func (s Shelf) Get(id string) (*Change, error) {
	path, err := s.path(id)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read what was applied: %w", err)
	}
	var c Change
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("read what was applied: %s: %w", path, err)
	}
	return &c, nil
}

// Forget takes a change that is no longer in force off the shelf.
func (s Shelf) Forget(id string) error {
	path, err := s.path(id)
	if err != nil {
		return err
	}
	return os.Remove(path)
}

func (s Shelf) path(id string) (string, error) {
	if id == "" || filepath.Base(id) != id || id == "." || id == ".." {
		return "", fmt.Errorf("%q is no id of a finding: %w", id, fs.ErrNotExist)
	}
	return filepath.Join(s.Folder, id+".json"), nil
}

// write puts a whole file in place, so that a kill leaves the old one or the new one.
func (s Shelf) write(path string, c *Change) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("keep what is applied: %w", err)
	}
	if err := os.MkdirAll(s.Folder, 0o700); err != nil {
		return fmt.Errorf("keep what is applied: %w", err)
	}
	file, err := os.CreateTemp(s.Folder, ".new-*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("keep what is applied: %w", err)
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep what is applied: %w", err), os.Remove(file.Name()))
	}
	return nil
}
