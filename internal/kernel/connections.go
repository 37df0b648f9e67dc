// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/decode"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// sweeper runs the connection iterator, one namespace at a time.
type sweeper struct {
	mu       sync.Mutex
	iterator *link.Iter
	question *ebpf.Map
}

func newSweeper(r *row) *sweeper {
	return &sweeper{iterator: r.iterator, question: r.collection.Maps["sweep"]}
}

// Connections gives those TCP connections of a namespace that wait for missing
// bytes, and all with a peer where one is given: of the namespace at nsPath, which
// must still have the inode id, or of the agent's own if nsPath is "". It errs with
// os.ErrNotExist where the namespace is gone and with ErrBlind where the hook is.
//
// It takes less than a microsecond a socket, in the kernel.
func (k *Kernel) Connections(nsPath string, id event.Netns, peer netip.Addr) (*event.Connections, error) {
	if k.sweeper == nil {
		return nil, fmt.Errorf("sweep connections: %w", ErrBlind)
	}
	found, err := k.sweeper.sweep(nsPath, id, peer)
	if err != nil {
		return nil, fmt.Errorf("sweep connections: %w", err)
	}
	return found, nil
}

func (s *sweeper) sweep(nsPath string, id event.Netns, peer netip.Addr) (*event.Connections, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var question [16]byte
	if peer.IsValid() {
		question = peer.As16()
	}
	if err := s.question.Put(uint32(0), question); err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	answer := &event.Connections{Header: event.Header{Time: Now(), Netns: id}, Peer: peer}
	var sockets io.ReadCloser
	err := inside(nsPath, id, func() (err error) {
		sockets, err = s.iterator.Open()
		return err
	})
	if err != nil {
		return nil, err
	}
	defer sockets.Close()
	return answer, takeConnections(sockets, answer)
}

// takeConnections reads what the program wrote: one connection after the other, of
// fixed size. A read may end in the middle of one.
func takeConnections(from io.Reader, into *event.Connections) error {
	var buffer [32 * decode.ConnectionSize]byte
	held := 0
	for {
		n, err := from.Read(buffer[held:])
		held += max(n, 0)
		for held >= decode.ConnectionSize {
			if err := takeConnection(buffer[:decode.ConnectionSize], into); err != nil {
				return err
			}
			held = copy(buffer[:], buffer[decode.ConnectionSize:held])
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("read iterator: %w", err)
		}
	}
}

func takeConnection(raw []byte, into *event.Connections) error {
	if len(into.Rows) >= event.ConnectionRows {
		into.Untold++
		return nil
	}
	c, err := decode.Connection(raw)
	into.Rows = append(into.Rows, c)
	return err
}
