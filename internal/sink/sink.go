// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package sink takes records to where people and machines read them.
//
// A sink writes one record at a time and may be slow or dead: Fanout gives each a
// bounded queue and a goroutine of its own, so that none holds up another or the
// engine. An encoder turns a record into bytes; what a stream writes is chosen by
// choosing an encoder.
package sink

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Sink is a place that records go to. One goroutine uses it at a time.
type Sink interface {
	// Name is what reports and metrics call it.
	Name() string
	// Write takes one record to its place before it returns. It must not change the
	// record, which other sinks have too.
	Write(r *finding.Record) error
	// Close gives back what the sink holds. Nothing is written afterwards.
	Close() error
}

// Reopener is a Sink that holds a file which others move away, as log rotation does.
type Reopener interface {
	// Reopen makes the next Write open its file anew. It does not block, and may be
	// called from any goroutine.
	Reopen()
}

// Starter is a Sink that takes hold of something before the first record: what it
// cannot have is an error then, not in the middle of the night.
type Starter interface {
	// Start is called once, before Write. After an error nothing else is called.
	Start() error
}

// Closer is a Sink whose Write may wait for something.
type Closer interface {
	// Closing makes such a Write give up. It does not block, and may be called from
	// any goroutine.
	Closing()
}

// Stats are a sink's counts since its start.
type Stats struct {
	// Sent are records that the place has, Failures attempts that did not succeed.
	Sent, Failures uint64
	// Dropped are updates that went for want of room, Lost records that never arrive.
	Dropped, Lost uint64
	// SpoolBytes wait on disk.
	SpoolBytes int64
	// Down is true where the newest attempt did not succeed.
	Down bool
}

// Measured is a Sink that counts for itself.
type Measured interface {
	// Stats may be called from any goroutine.
	Stats() Stats
}

// Encoder gives a record as bytes, ready to be written: a line ends with its newline.
type Encoder interface {
	// Append appends the record to dst and returns the extended slice; on an error
	// it returns dst as it was.
	Append(dst []byte, r *finding.Record) ([]byte, error)
}

// Broken tells whether an error says that a sink's reader is gone for good, as when
// stdout is a pipe into a program that has ended. Writing on cannot help.
//
// A Go program is killed by such a write to its standard output unless it asks for
// SIGPIPE by os/signal: who wants the error must do that.
func Broken(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, os.ErrClosed) || errors.Is(err, net.ErrClosed)
}
