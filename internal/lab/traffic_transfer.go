// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// order is the head of an exchange: how many bytes the client sends after it, and
// how many it wants back.
type order struct{ up, down uint64 }

// The sizes of exchanges: one that fits any packet, an upload, and a reply whose last
// segment is a short one, so that it arrives where the full ones before it do not.
const (
	smallSize  = 64
	uploadSize = 200_000
	replySize  = 7_000
)

// trade is a server of such exchanges, until the client has enough.
func trade(conn net.Conn) {
	for {
		var head [16]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		up, down := binary.BigEndian.Uint64(head[:8]), binary.BigEndian.Uint64(head[8:])
		if _, err := io.CopyN(io.Discard, conn, int64(up)); err != nil {
			return
		}
		if _, err := conn.Write(make([]byte, down)); err != nil {
			return
		}
	}
}

// exchange does one, within a time.
func exchange(conn net.Conn, o order, within time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	message := make([]byte, 16+o.up)
	binary.BigEndian.PutUint64(message, o.up)
	binary.BigEndian.PutUint64(message[8:], o.down)
	if _, err := conn.Write(message); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if _, err := io.CopyN(io.Discard, conn, int64(o.down)); err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	return nil
}

// dialFrom connects from the calling thread's namespace.
func dialFrom(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to, err)
	}
	// A program that is stopped doesn't wait for the peer.
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	return conn, nil
}

// transfers is a client that trades with a server.
type transfers struct {
	to    netip.AddrPort
	large order
	// within is how long the program waits for a large exchange.
	within time.Duration
	// pause is between two of them.
	pause time.Duration
	// hurts tells that the first of them meets the fault, where nothing else counts it.
	hurts bool
	// prepare changes each connection's socket before the large exchange; nil for none.
	prepare func(net.Conn) error
}

// longPatience is how long programs wait that leave it to the kernel to give up.
const longPatience = 30 * time.Second

// run makes a connection for each large exchange, which a small one precedes.
func (t transfers) run(s *space, name string) job {
	return inside(s, name, func(ctx context.Context, m *meter) error {
		for ctx.Err() == nil {
			m.attempt(t.once(ctx, m))
			wait(ctx, t.pause)
		}
		return nil
	})
}

func (t transfers) once(ctx context.Context, m *meter) error {
	conn, err := dialFrom(ctx, t.to)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if t.prepare != nil {
		if err := t.prepare(conn); err != nil {
			return err
		}
	}
	if err := exchange(conn, order{down: smallSize}, patience); err != nil {
		return err
	}
	if t.hurts {
		m.strike()
	}
	return exchange(conn, t.large, t.within)
}

// chatter is another program that exchanges small messages with the server all the
// time, over one connection. What becomes of them is not counted.
func chatter(s *space, to netip.AddrPort) job {
	return inside(s, "lab-chatter", func(ctx context.Context, _ *meter) error {
		for ctx.Err() == nil {
			if conn, err := dialFrom(ctx, to); err == nil {
				chat(ctx, conn)
			}
			wait(ctx, chatEvery)
		}
		return nil
	})
}

const chatEvery = 300 * time.Millisecond

func chat(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	for exchange(conn, order{down: smallSize}, patience) == nil {
		wait(ctx, chatEvery)
	}
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
