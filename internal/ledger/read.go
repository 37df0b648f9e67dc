// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Left is what an earlier run left behind.
type Left struct {
	// Open are the findings that were open, oldest first, as told last.
	Open []*finding.Record
	// Untold are the records that open, raise, confirm or resolve, and that run, which
	// did not end in order, may not have handed out. Who has them knows them by their
	// ids.
	Untold []*finding.Record
	// Rebooted is true where the host was started anew since.
	Rebooted bool
	// Damage says what could not be read, nil where all was well.
	Damage error
}

func (left Left) of(found contents, now Head) Left {
	left.Open = found.pages.open()
	left.Rebooted = found.head.Boot != now.Boot
	left.Untold = found.pages.untold
	return left
}

// contents are what a file holds.
type contents struct {
	head  Head
	pages pages
}

// Findings are the findings in a ledger.
type Findings struct {
	// Path is the file.
	Path string
	Head Head
	// Kept tells whether an agent keeps them at this moment: else they are what it left.
	Kept bool
	// Records are the newest of each finding, resolved ones first, then the open ones
	// from the oldest on.
	Records []*finding.Record
}

// Read reads a ledger that another process may be writing.
func Read(path string) (Findings, error) {
	found, err := read(path)
	if err != nil {
		return Findings{}, err
	}
	return Findings{Path: path, Head: found.head, Kept: held(path + ".lock"), Records: found.pages.inOrder()}, nil
}

// held tells whether somebody has a lock.
func held(path string) bool {
	lock, err := os.Open(path)
	if err != nil {
		return false
	}
	defer lock.Close() // only asked
	return errors.Is(unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// read reads a file's whole lines; a half one at the end is what a kill left.
func read(path string) (contents, error) {
	var found contents
	file, err := os.Open(path)
	if err != nil {
		return found, fmt.Errorf("read findings: %w", err)
	}
	defer file.Close() // only read
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if err := found.take(lines.Bytes(), n); err != nil {
			return found, fmt.Errorf("read findings: %s:%d: %w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return found, fmt.Errorf("read findings: %w", err)
	}
	return found, nil
}

func (c *contents) take(text []byte, n int) error {
	var one line
	if err := json.Unmarshal(text, &one); err != nil {
		if n > 1 {
			return nil // a line that a kill cut: the lines before it count
		}
		return errors.New("is no ledger of findings")
	}
	if one.Handed || one.Clean {
		c.pages.untold = nil
	}
	switch {
	case one.Head != nil && one.Format > format:
		return errors.New("was written by a newer trapbpf: use that")
	case one.Head != nil:
		c.head = *one.Head
	case n == 1:
		return errors.New("is no ledger of findings")
	case one.Record != nil:
		c.pages.add(one.Record.record())
	case one.Untold != nil:
		c.pages.untold = append(c.pages.untold, one.Untold.record())
	}
	return nil
}
