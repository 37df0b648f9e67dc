// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package mtu measures how large a packet a path carries, by sending packets that must
// not be fragmented.
//
// The search is binary and optimistic: one packet without an answer counts as too large
// at first, since the next smaller one that arrives speaks for that, too. The border
// that it ends at is then verified: the size above it must stay without an answer
// several times while the size below is answered in the same flight (RFC 8899, section
// 4.3, asks for the same: MAX_PROBES losses, and proof that the path is not black as a
// whole). So random loss costs packets and not truth, and where answers are limited
// in their rate (Linux gives a peer six ICMP errors at once and then one a second,
// icmp_ratelimit) the search waits.
//
// Probes are built by hand and sent through raw sockets with IP_PMTUDISC_PROBE: with
// "don't fragment" set, but without regard to the path MTU that the kernel has learned,
// which would fail every larger packet before it left. An ICMP echo request is answered by
// most; where it is filtered, a UDP datagram to a closed port is answered with "port
// unreachable", and a TCP segment of an open connection whose bytes were acknowledged
// long ago is answered with an acknowledgement (RFC 9293, section 3.10.7.4) and reaches no
// program.
//
// A probe teaches the kernel what a router answers, as any packet would.
package mtu

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/internal/host"
)

// What one measurement may cost.
const (
	MaxPackets = 64
	MaxTime    = 5 * time.Second
)

// Sizes are bytes of an IP packet, its header included.
const (
	// MinSize is the smallest size that is ever sent: it has room for every method.
	MinSize = 80
	// MaxSize is the largest that an IP header can tell.
	MaxSize = 65535
)

// ErrUnreachable tells that nothing came back, whatever the size.
var ErrUnreachable = errors.New("no answer")

// Options says what to measure.
type Options struct {
	// At is the network namespace that probes are sent from.
	At host.Target
	// Peer is the other end; From an address of ours to send from, where valid.
	Peer, From netip.Addr
	// Port is a TCP port of the peer that something listens on, 0 for none. TCPFirst
	// prefers it to echo.
	Port     uint16
	TCPFirst bool
	// Max is the largest size to try, 0 for what the interface takes.
	Max int
	// Progress hears of each probe's end; nil for nobody.
	Progress func(Step)
}

// Step is the end of one probe.
type Step struct {
	Method Method
	Size   int
	// TTL is how many hops it could go, 0 for all.
	TTL     int
	Outcome string
	Packets int
}

// Measure finds the largest packet that the path carries. Errors wrap ErrUnreachable,
// kernel.ErrPrivilege, host.ErrGone or the context's.
func Measure(ctx context.Context, o Options) (*Result, error) {
	begun := time.Now()
	limited, cancel := context.WithTimeout(ctx, MaxTime)
	defer cancel()
	m := &measurement{options: o, ctx: limited, budget: &budget{packets: MaxPackets}}
	result, err := m.run()
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("measure path MTU: %w", ctx.Err())
	}
	result.Packets, result.Took = m.budget.sent, time.Since(begun)
	return result, nil
}

// measurement is one under way.
type measurement struct {
	options Options
	ctx     context.Context
	budget  *budget
	notes   []string
	// refusal is who said that the peer cannot be reached.
	refusal netip.Addr
}

// errSpent ends a search whose packets or time are used up.
var errSpent = errors.New("packets or time used up")

// budget bounds what a measurement sends, by whatever method.
type budget struct{ packets, sent int }

func (b *budget) spend(packets int) error {
	if b.sent+packets > b.packets {
		return errSpent
	}
	b.sent += packets
	return nil
}
