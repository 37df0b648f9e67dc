// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package decode turns the kernel's samples and map rows into events, by a
// size-checked copy: no reflection, no allocation once names are known.
package decode

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// ErrMalformed is wrapped by errors about a sample that is not what it should be.
var ErrMalformed = errors.New("malformed sample")

// Names are the kernel's words for numbers. Both functions are called for each
// event that has such a number, and must not block.
type Names struct {
	// Reason names a drop reason, without its prefix.
	Reason func(uint32) string
	// Symbol names a code address, "" where it is unknown.
	Symbol func(uint64) string
}

// Decoder makes events. Each method returns a pointer into the decoder that is
// valid until the next call of any method. Not for use by several goroutines at
// once.
type Decoder struct {
	names    Names
	strings  interner
	drop     event.Drop
	failure  event.PortFailure
	pressure event.PortPressure
	dns      dns
	dial     event.Dial

	retransmit event.Retransmit
	tooBig     event.TooBig
	refusal    event.Refusal

	sample struct {
		header  wire.Header
		drop    wire.Drop
		failure wire.Failure
		dial    wire.Dial

		retransmit wire.Retransmit
		tooBig     wire.TooBig
		refusal    wire.Refusal
	}
}

// New gives a decoder. Functions left nil in names tell nothing.
func New(names Names) *Decoder {
	if names.Reason == nil {
		names.Reason = func(uint32) string { return "" }
	}
	if names.Symbol == nil {
		names.Symbol = func(uint64) string { return "" }
	}
	return &Decoder{names: names, strings: newInterner(), dns: newDNS()}
}

// Decode makes an event of one sample from the ring, nil where the sample completes
// none. Some samples hold more than one event: Next gives the others. Errors wrap
// ErrMalformed, or ErrGarbled where the sample is sound and the packet in it is not.
func (d *Decoder) Decode(sample []byte) (event.Event, error) {
	header := &d.sample.header
	if len(sample) < int(unsafe.Sizeof(*header)) {
		return nil, fmt.Errorf("%w: %d bytes are less than a header", ErrMalformed, len(sample))
	}
	fill(header, sample)
	switch header.Kind {
	case wire.KindDrop:
		if err := load(&d.sample.drop, sample); err != nil {
			return nil, fmt.Errorf("drop: %w", err)
		}
		return d.dropSample(&d.sample.drop), nil
	case wire.KindFailure:
		if err := load(&d.sample.failure, sample); err != nil {
			return nil, fmt.Errorf("port failure: %w", err)
		}
		return d.failureSample(&d.sample.failure), nil
	case wire.KindDNS:
		return d.dnsSample(sample)
	case wire.KindDial:
		if err := load(&d.sample.dial, sample); err != nil {
			return nil, fmt.Errorf("dial: %w", err)
		}
		return d.dialSample(&d.sample.dial), nil
	default:
		return d.pathSample(header.Kind, sample)
	}
}

// pathSample makes an event of a sample that tells of a path's MTU.
func (d *Decoder) pathSample(kind uint32, sample []byte) (event.Event, error) {
	switch kind {
	case wire.KindRetransmit:
		if err := load(&d.sample.retransmit, sample); err != nil {
			return nil, fmt.Errorf("retransmit: %w", err)
		}
		return d.retransmitSample(&d.sample.retransmit), nil
	case wire.KindTooBig:
		if err := load(&d.sample.tooBig, sample); err != nil {
			return nil, fmt.Errorf("too big: %w", err)
		}
		return d.tooBigSample(&d.sample.tooBig), nil
	case wire.KindRefusal:
		if err := load(&d.sample.refusal, sample); err != nil {
			return nil, fmt.Errorf("refusal: %w", err)
		}
		return d.refusalSample(&d.sample.refusal), nil
	default:
		return nil, fmt.Errorf("%w: unknown kind %d", ErrMalformed, kind)
	}
}

// load copies a sample of exactly the size of to.
func load[T any](to *T, sample []byte) error {
	if len(sample) != int(unsafe.Sizeof(*to)) {
		return fmt.Errorf("%w: %d bytes instead of %d", ErrMalformed, len(sample), unsafe.Sizeof(*to))
	}
	fill(to, sample)
	return nil
}

// fill copies as many bytes as to has. T is a type of internal/wire: plain memory
// without pointers, every bit pattern of which is a value.
func fill[T any](to *T, sample []byte) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(to)), unsafe.Sizeof(*to)), sample)
}

func head(h *wire.Header) event.Header {
	return event.Header{Time: event.Time(h.Time), Netns: event.Netns(h.Netns)}
}

// DropSample gives the sample behind the drop that was decoded last.
func (d *Decoder) DropSample() *wire.Drop { return &d.sample.drop }

// FailureSample gives the sample behind the port failure that was decoded last.
func (d *Decoder) FailureSample() *wire.Failure { return &d.sample.failure }
