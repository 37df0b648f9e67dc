// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// netlinkMessage is one message with its header.
func netlinkMessage(kind uint16, data ...byte) []byte {
	m := make([]byte, diagHeader, diagHeader+len(data))
	binary.NativeEndian.PutUint32(m, uint32(diagHeader+len(data)))
	binary.NativeEndian.PutUint16(m[4:], kind)
	return append(m, data...)
}

func TestDumpEndsWithDoneOrWithItsError(t *testing.T) {
	refused := binary.NativeEndian.AppendUint32(nil, uint32(0xfffffffe)) // -ENOENT
	tests := map[string]struct {
		datagram []byte
		done     bool
		want     error
	}{
		"a socket":       {netlinkMessage(unix.SOCK_DIAG_BY_FAMILY, make([]byte, diagAnswer)...), false, nil},
		"the end":        {netlinkMessage(unix.NLMSG_DONE, 0, 0, 0, 0), true, nil},
		"no handler":     {netlinkMessage(unix.NLMSG_ERROR, refused...), true, unix.ENOENT},
		"error cut off":  {netlinkMessage(unix.NLMSG_ERROR), true, unix.EPROTO},
		"socket cut off": {netlinkMessage(unix.SOCK_DIAG_BY_FAMILY, make([]byte, diagAnswer-4)...), true, unix.EPROTO},
		"header cut off": {make([]byte, 20), true, unix.EINVAL},
	}
	for name, test := range tests {
		done, err := takeDiag(test.datagram, func(*diagSocket) {})
		if done != test.done || !errors.Is(err, test.want) {
			t.Errorf("%s: done %v, %v; want %v, %v", name, done, err, test.done, test.want)
		}
	}
}

func FuzzDiagMessageIsReadWithinItsBounds(f *testing.F) {
	f.Add(netlinkMessage(unix.SOCK_DIAG_BY_FAMILY, make([]byte, diagAnswer)...))
	f.Add(netlinkMessage(unix.NLMSG_DONE))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		sockets := 0
		_, err := takeDiag(datagram, func(s *diagSocket) {
			sockets++
			if !s.source.IsValid() || !s.destination.IsValid() {
				t.Errorf("socket %+v", s)
			}
		})
		if err == nil && sockets > len(datagram)/diagAnswer {
			t.Errorf("%d sockets in %d bytes", sockets, len(datagram))
		}
	})
}
