// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package file writes records to a file: whole lines only, for its owner and group,
// rotated by size, and opened anew where somebody moved the file away.
package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// mode lets the owner write and a log reader's group read, whatever the umask is.
const mode = 0o640

// Options say where to write.
type Options struct {
	// Path is the file, absolute.
	Path string `yaml:"path"`
	// MaxSize is when the file is rotated, 0 for never (logrotate does it).
	MaxSize sink.Size `yaml:"max-size"`
	// Keep is how many rotated files stay: PATH.1 is the newest.
	Keep int `yaml:"keep"`
}

// Check says which key is wrong.
func (o *Options) Check() (key string, err error) {
	switch {
	case !filepath.IsAbs(o.Path):
		return "path", errors.New("must be an absolute path, e.g. /var/log/trapbpf/findings.jsonl")
	case o.MaxSize < 0:
		return "max-size", errors.New("must not be negative")
	case o.MaxSize > 0 && o.MaxSize < finding.MaxLine:
		return "max-size", fmt.Errorf("must be %d bytes or more: the length of one record", finding.MaxLine)
	case o.Keep < 0:
		return "keep", errors.New("must not be negative")
	}
	return "", nil
}

// Sink is a sink.Sink and a sink.Reopener.
type Sink struct {
	name    string
	options Options
	encoder sink.Encoder
	buf     []byte
	reopen  atomic.Bool

	file *os.File // nil until the first Write
	size int64    // bytes of whole lines
}

// New gives a sink that opens its file at the first Write.
func New(name string, o Options, encoder sink.Encoder) *Sink {
	return &Sink{name: name, options: o, encoder: encoder}
}

// Name implements sink.Sink.
func (s *Sink) Name() string { return s.name }

// Reopen implements sink.Reopener.
func (s *Sink) Reopen() { s.reopen.Store(true) }

// Write implements sink.Sink. A line that the disk has no room for is taken back, so
// that the file ends with a whole line.
func (s *Sink) Write(r *finding.Record) error {
	line, err := s.encoder.Append(s.buf[:0], r)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	s.buf = line
	if err := s.ready(int64(len(line))); err != nil {
		return err
	}
	if _, err := s.file.Write(line); err != nil {
		return errors.Join(err, s.file.Truncate(s.size))
	}
	s.size += int64(len(line))
	return nil
}

// ready makes sure that the file under the path is the one that is open, and that it
// has room for so many bytes more.
func (s *Sink) ready(more int64) error {
	if s.file != nil && (s.reopen.Swap(false) || s.moved()) {
		if err := s.Close(); err != nil {
			return err
		}
	}
	if s.file == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	if limit := int64(s.options.MaxSize); limit > 0 && s.size > 0 && s.size+more > limit {
		return s.rotate()
	}
	return nil
}

// moved tells whether the path names another file by now, or none.
func (s *Sink) moved() bool {
	open, err := s.file.Stat()
	if err != nil {
		return true
	}
	there, err := os.Stat(s.options.Path)
	return err != nil || !os.SameFile(open, there)
}

func (s *Sink) open() error {
	file, err := openOrCreate(s.options.Path)
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	size, err := wholeLines(file)
	if err != nil {
		_ = file.Close() // the error is told already
		return fmt.Errorf("read the end of %s: %w", s.options.Path, err)
	}
	s.file, s.size = file, size
	return nil
}

// openOrCreate opens a file, with mode where it makes it. The mode of one that is there is
// somebody's choice.
func openOrCreate(path string) (*os.File, error) {
	const flags = os.O_RDWR | os.O_APPEND
	file, err := os.OpenFile(path, flags|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return os.OpenFile(path, flags|os.O_CREATE, mode)
	}
	if err != nil {
		return nil, err
	}
	if err := file.Chmod(mode); err != nil {
		_ = file.Close() // nothing was written
		return nil, err
	}
	return file, nil
}

// wholeLines cuts off what a killed program or a full disk left behind of a line, and
// gives the size of the rest. A line is at most finding.MaxLine long: an end without
// a newline that is longer is not ours to cut.
func wholeLines(file *os.File) (int64, error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return size, err
	}
	tail := make([]byte, min(size, finding.MaxLine+1))
	if _, err := file.ReadAt(tail, size-int64(len(tail))); err != nil {
		return 0, err
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	if end == len(tail) || end == 0 && size > int64(len(tail)) {
		return size, nil
	}
	size -= int64(len(tail) - end)
	return size, file.Truncate(size)
}

// rotate moves the file to PATH.1 and those before it one further.
func (s *Sink) rotate() error {
	if err := s.Close(); err != nil {
		return err
	}
	if err := shift(s.options.Path, s.options.Keep); err != nil {
		return fmt.Errorf("rotate %s: %w", s.options.Path, err)
	}
	return s.open()
}

func shift(path string, keep int) error {
	if keep == 0 {
		return os.Remove(path)
	}
	for n := keep; n > 1; n-- {
		err := os.Rename(numbered(path, n-1), numbered(path, n))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Rename(path, numbered(path, 1))
}

func numbered(path string, n int) string { return fmt.Sprintf("%s.%d", path, n) }

// Close implements sink.Sink.
func (s *Sink) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}
