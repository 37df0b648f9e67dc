// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"net"
	"os"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

func TestProcessThatIsBoundToPort53Serves(t *testing.T) {
	h := New(Real())
	ns, other := kerneltest.Namespace(t), kerneltest.Namespace(t)
	bind := func(ns *kerneltest.Netns, at string) {
		ns.Do(t, func() error {
			c, err := net.ListenPacket("udp", at)
			if err == nil {
				t.Cleanup(func() { _ = c.Close() })
			}
			return err
		})
	}
	at := Target{Path: ns.Path, Inode: ns.ID}
	pid := uint32(os.Getpid())
	bind(ns, "127.0.0.1:5353")
	bind(other, "127.0.0.1:53")
	if h.serves(at, pid) {
		t.Error("another port counts, or another namespace")
	}
	bind(ns, "[::1]:53")
	if !h.serves(at, pid) || h.serves(at, 1) || h.serves(at, 0) {
		t.Error("told of the wrong process")
	}
}
