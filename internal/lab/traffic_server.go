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

// serve listens for TCP at every one of the addresses inside a namespace, at once,
// so that no client comes too early. The job accepts connections and hands each to
// handle.
func (n *network) serve(s *space, handle func(net.Conn), addrs ...string) job {
	var jobs []job
	for _, addr := range addrs {
		if n.err != nil {
			break
		}
		listener, err := listen(s, addr)
		if err != nil {
			n.fail(err)
			break
		}
		n.closers = append(n.closers, listener)
		jobs = append(jobs, func(ctx context.Context, _ *meter) error {
			defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
			accept(ctx, listener, handle)
			return nil
		})
	}
	return together(jobs...)
}

func listen(s *space, addr string) (listener net.Listener, err error) {
	// Multipath TCP is Go's default for listeners, and not what is shown here.
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	err = s.do(func() (err error) {
		listener, err = config.Listen(context.Background(), "tcp", addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("serve in %s: %w", s.role, err)
	}
	return listener, nil
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

// at gives the lab web server of an address.
func at(addr string) string {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), webPort).String()
}
