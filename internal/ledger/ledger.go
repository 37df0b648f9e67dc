// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package ledger keeps an agent's findings in a file: for the commands that speak of
// them by id, and for the next run of the agent, which goes on with those that are open.
//
// The file is JSON lines: a head that says which agent wrote it, then each record as it
// was told, before any sink has it. The newest line of a finding counts. When the file
// has grown far beyond what counts it is written anew and renamed into place, so a
// reader or a kill sees the old one or the new one, and at most one half line at the
// end. It is private to root: findings name addresses and processes.
package ledger

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// format is the version of the file.
	format = 1
	// slack is how many bytes may be written beyond what counts before the file is
	// written anew.
	slack = 1 << 20
	// remembered is how many resolved findings are kept, for who looks them up.
	remembered = 64
	// maxLine bounds a line that is read.
	maxLine = 1 << 20
)

// MostUntold is how many records a crashed agent may not have handed out, at most: as many as
// may wait in memory for a sink (sink.Reserve times sink.DefaultQueue), and the one that is
// being written.
const MostUntold = 2049

// Head says who keeps the file.
type Head struct {
	Format  int    `json:"trapbpf_ledger"`
	PID     int    `json:"pid"`
	Version string `json:"version"`
	// Boot is the kernel's boot id: namespaces and their findings do not outlive it.
	Boot string `json:"boot"`
}

// ServiceName is the file that the service keeps in its state directory.
const ServiceName = "findings.jsonl"

// HeadOf says that this process keeps a ledger; version is the agent's.
func HeadOf(version string) Head {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		boot = nil // then every boot looks alike, and findings end by not being seen
	}
	return Head{PID: os.Getpid(), Version: version, Boot: strings.TrimSpace(string(boot))}
}

// line is one line of the file.
type line struct {
	*Head
	Record *kept `json:"record,omitempty"`
	// Handed tells that every sink has the records of the lines before.
	Handed bool `json:"handed,omitempty"`
	// Untold is a record of which that is not known, where the file was written anew.
	Untold *kept `json:"untold,omitempty"`
	// Clean ends the file of an agent that handed out all that it told.
	Clean bool `json:"clean,omitempty"`
}

// Ledger is a file that is being kept. Its methods may be called from several
// goroutines.
type Ledger struct {
	path string
	lock *os.File

	mu    sync.Mutex
	file  *os.File
	head  Head
	pages pages
	size  int64 // bytes in the file
}

// Open takes hold of a ledger and gives what an earlier run left in it. Another agent
// that has it is an error.
func Open(path string, head Head) (*Ledger, Left, error) {
	var left Left
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, left, fmt.Errorf("make the folder of the findings: %w", err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, left, fmt.Errorf("open the ledger of findings: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close() // nothing was written
		return nil, left, fmt.Errorf("%s is kept by another agent: end it, or give this one a state-directory of its own", path)
	}
	head.Format = format
	l := &Ledger{path: path, lock: lock, head: head}
	found, err := read(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		left.Damage = err
	}
	left = left.of(found, head)
	l.pages = found.pages
	if err := l.rewrite(); err != nil {
		_ = lock.Close() // the error is told already
		return nil, left, err
	}
	return l, left, nil
}

// Write keeps a record. It must be called before any sink gets it.
func (l *Ledger) Write(r *finding.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, err := encode(line{Record: keep(r)})
	if err != nil {
		return err
	}
	l.pages.add(r)
	if l.size > slack+2*l.pages.bytes {
		return l.rewrite()
	}
	return l.append(text)
}

// Handed tells that every sink has all records that were written: after a crash the next
// run tells the later ones only.
func (l *Ledger) Handed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pages.untold) == 0 {
		return nil
	}
	l.pages.untold = nil
	text, err := encode(line{Handed: true})
	if err != nil {
		return err
	}
	return l.append(text)
}

func (l *Ledger) append(text []byte) error {
	if _, err := l.file.WriteAt(text, l.size); err != nil {
		return errors.Join(fmt.Errorf("keep finding: %w", err), l.file.Truncate(l.size))
	}
	l.size += int64(len(text))
	return nil
}

// rewrite writes what counts to a new file and puts it in the old one's place.
func (l *Ledger) rewrite() error {
	next, err := os.OpenFile(l.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep findings: %w", err)
	}
	size, err := l.writeAll(next)
	if err == nil {
		err = os.Rename(l.path+".new", l.path)
	}
	if err != nil {
		_ = next.Close() // the error is told already
		return fmt.Errorf("keep findings: %w", err)
	}
	if l.file != nil {
		_ = l.file.Close() // another file has its place
	}
	l.file, l.size, l.pages.bytes = next, size, size
	return nil
}

// writeAll writes what counts: the head, the newest record of each finding, and what may
// not be told yet.
func (l *Ledger) writeAll(to *os.File) (size int64, err error) {
	out := bufio.NewWriter(to)
	write := func(one line) {
		if err != nil {
			return
		}
		var text []byte
		if text, err = encode(one); err == nil {
			_, err = out.Write(text)
			size += int64(len(text))
		}
	}
	write(line{Head: &l.head})
	for _, r := range l.pages.inOrder() {
		write(line{Record: keep(r)})
	}
	write(line{Handed: true})
	for _, r := range l.pages.untold {
		write(line{Untold: keep(r)})
	}
	return size, errors.Join(err, out.Flush())
}

// Close marks that every record was handed out, and lets go of the file.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, err := encode(line{Clean: true})
	if err == nil {
		err = l.append(text)
	}
	return errors.Join(err, l.file.Close(), l.lock.Close())
}

func encode(l line) ([]byte, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("keep finding: %w", err)
	}
	return append(text, '\n'), nil
}
