// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// ErrBlind is wrapped by Walk where the timewait hook is not attached.
var ErrBlind = errors.New("sight is blind")

// portWalker counts who holds a namespace's ports; see Kernel.Walk.
type portWalker interface {
	walk(nsPath string, id event.Netns, low, high uint16) (*event.PortUse, error)
}

// walker runs the socket iterator, one namespace at a time.
type walker struct {
	mu        sync.Mutex
	iterator  *link.Iter
	question  *ebpf.Map
	listening *ebpf.Map
	rows      *sweep[wire.WalkKey, wire.WalkRow]
	// quiet is what listening is cleared with: a byte a port.
	quiet []byte
}

func newWalker(r *row) *walker {
	listening := r.collection.Maps["walk_listening"]
	return &walker{
		iterator:  r.iterator,
		question:  r.collection.Maps["walk"],
		listening: listening,
		rows:      newSweep[wire.WalkKey, wire.WalkRow](r.collection.Maps["walk_rows"]),
		quiet:     make([]byte, listening.ValueSize()),
	}
}

// Walk counts who holds the ephemeral ports low to high of a namespace: the one at
// nsPath, which must still have the inode id, or the agent's own if nsPath is "".
// It errs with os.ErrNotExist where the namespace is gone and with ErrBlind where
// the hook is. Overflows is left to the caller, who reads /proc/net/netstat.
//
// It takes about a microsecond a socket, in the kernel.
func (k *Kernel) Walk(nsPath string, id event.Netns, low, high uint16) (*event.PortUse, error) {
	if k.walker == nil {
		return nil, fmt.Errorf("walk sockets: timewait: %w", ErrBlind)
	}
	use, err := k.walker.walk(nsPath, id, low, high)
	if err != nil {
		return nil, fmt.Errorf("walk sockets: %w", err)
	}
	return use, nil
}

func (w *walker) walk(nsPath string, id event.Netns, low, high uint16) (*event.PortUse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.prepare(low, high); err != nil {
		return nil, err
	}
	at := Now()
	if err := w.visit(nsPath, id); err != nil {
		return nil, err
	}
	var sums wire.Walk
	if err := w.question.Lookup(uint32(0), &sums); err != nil {
		return nil, fmt.Errorf("read sums: %w", err)
	}
	t := newTally()
	if err := w.rows.take(t.add); err != nil {
		return nil, err
	}
	use := t.use(&sums)
	use.Header = event.Header{Time: at, Netns: id}
	return use, nil
}

// prepare asks the question and clears what an earlier walk, broken off, may have
// left.
func (w *walker) prepare(low, high uint16) error {
	if err := w.rows.take(func(*wire.WalkKey, *wire.WalkRow) {}); err != nil {
		return err
	}
	if err := w.listening.Put(uint32(0), w.quiet); err != nil {
		return fmt.Errorf("clear listeners: %w", err)
	}
	question := wire.Walk{Low: uint32(low), High: uint32(high)}
	if err := w.question.Put(uint32(0), &question); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	return nil
}

// visit lets the program see every socket. The iterator belongs to the namespace
// that it is opened in, wherever it is read.
func (w *walker) visit(nsPath string, id event.Netns) error {
	var sockets io.ReadCloser
	err := inside(nsPath, id, func() (err error) {
		sockets, err = w.iterator.Open()
		return err
	})
	if err != nil {
		return err
	}
	defer sockets.Close()
	return readOut(sockets)
}

// readOut reads an iterator that prints nothing to its end. The kernel gives EAGAIN
// after a million silent sockets (MAX_ITER_OBJECTS): go on from there.
func readOut(sockets io.Reader) error {
	var none [64]byte
	for {
		_, err := sockets.Read(none[:])
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("read iterator: %w", err)
		}
	}
}
