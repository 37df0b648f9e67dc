// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// patience bounds one exchange of a server or a client.
const patience = 5 * time.Second

// serve accepts TCP connections inside a namespace at every one of the addresses
// and hands each to handle, until ctx ends.
func serve(s *space, handle func(net.Conn), addrs ...string) job {
	var jobs []job
	for _, addr := range addrs {
		jobs = append(jobs, listen(s, handle, addr))
	}
	return together(jobs...)
}

func listen(s *space, handle func(net.Conn), addr string) job {
	return func(ctx context.Context, _ *meter) error {
		// Multipath TCP is Go's default for listeners, and not what is shown here.
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		var listener net.Listener
		err := s.do(func() (err error) {
			listener, err = config.Listen(ctx, "tcp", addr)
			return err
		})
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("serve in %s: %w", s.role, err)
		}
		defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
		accept(ctx, listener, handle)
		return nil
	}
}

// accept serves connections until the listener is closed, then ends them all.
func accept(ctx context.Context, listener net.Listener, handle func(net.Conn)) {
	var group sync.WaitGroup
	defer group.Wait()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		group.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			handle(conn)
		})
	}
}

// answer is a server that leaves closing to the client: each request gets an
// answer until the client has enough.
func answer(conn net.Conn) {
	var request [64]byte
	for {
		n, err := conn.Read(request[:])
		if err != nil {
			return
		}
		if _, err := conn.Write(request[:n]); err != nil {
			return
		}
	}
}

// answerAndClose is a server of the old web: one answer, then it closes first and
// keeps the TIME_WAIT.
func answerAndClose(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(patience))
	var request [64]byte
	n, err := conn.Read(request[:])
	if err != nil {
		return
	}
	_, _ = conn.Write(request[:n])
}

// at joins an address and a port.
func at(addr string, port uint16) string {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), port).String()
}
