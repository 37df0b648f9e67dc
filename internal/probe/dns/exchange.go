// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Dial connects to a server: network is "udp" or "tcp". The source port must be one that
// cannot be guessed, as the kernel's are.
type Dial func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)

// maxQueries bounds one probe: what a wide zone with many servers takes, and no more.
const maxQueries = 250

// How long an answer is waited for: a resolver that has to ask others takes up to some
// hundred milliseconds, and a packet may be lost once. Two waits and a walk fit into the
// probe's time.
const (
	firstWait  = 800 * time.Millisecond
	secondWait = 1200 * time.Millisecond
)

// maxStrangers bounds how many packets that answer nothing are looked at.
const maxStrangers = 1000

// Why a server gave no answer. The texts follow "it".
var (
	errSilent    = errors.New("does not answer")
	errRefused   = errors.New("refuses: nothing listens there")
	errNoWay     = errors.New("cannot be reached from here")
	errBudget    = fmt.Errorf("was not asked: a probe asks %d questions at most", maxQueries)
	errStrangers = errors.New("sends packets that answer nothing")
)

// reply is what came of asking one server one question.
type reply struct {
	server netip.AddrPort
	asked  question
	// message is nil where err is not.
	message *message
	err     error
	// protocol is by which the answer came, or the last that was tried.
	protocol string
	latency  time.Duration
	tries    int
	// strangers counts packets that were no answer to the question.
	strangers int
	// cut: the whole answer could not be had by TCP, and this is why.
	cut error
}

// answered tells whether the server said what the name has, or that it has nothing.
func (r *reply) answered() bool {
	return r.message != nil && (r.message.code == "NOERROR" || r.message.code == "NXDOMAIN")
}

// asker asks servers. Its methods may be called at the same time.
type asker struct {
	dial Dial
	sent atomic.Int64
}

// ask puts a question, by UDP twice, without EDNS0 for servers that do not know it, and
// by TCP where the answer does not fit.
func (a *asker) ask(ctx context.Context, server netip.AddrPort, q question) *reply {
	r := &reply{server: server, asked: q, protocol: "udp"}
	a.try(ctx, r, firstWait, true)
	if errors.Is(r.err, errSilent) || r.message != nil && r.message.code == "FORMERR" {
		a.try(ctx, r, secondWait, false)
	}
	if r.message != nil && r.message.truncated {
		short := *r
		r.protocol = "tcp"
		if a.try(ctx, r, secondWait, true); r.err != nil {
			short.cut, short.tries = r.err, r.tries
			*r = short
		}
	}
	return r
}

// try sends the question once.
func (a *asker) try(ctx context.Context, r *reply, wait time.Duration, extended bool) {
	if ctx.Err() != nil {
		r.err = errSilent
		return
	}
	r.message, r.err = nil, errBudget
	if a.sent.Add(1) > maxQueries {
		return
	}
	r.tries++
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	started := time.Now()
	r.message, r.err = a.exchange(ctx, r, extended)
	r.latency = time.Since(started)
	if r.err != nil {
		r.err = reason(r.err)
	}
}

func (a *asker) exchange(ctx context.Context, r *reply, extended bool) (*message, error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	packet, err := r.asked.pack(id, extended)
	if err != nil {
		return nil, err
	}
	conn, err := a.dial(ctx, r.protocol, r.server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if r.protocol == "tcp" {
		return stream(conn, r, packet, id)
	}
	return datagram(conn, r, packet, id)
}

func newID() (uint16, error) {
	var id [2]byte
	_, err := rand.Read(id[:])
	return binary.BigEndian.Uint16(id[:]), err
}

// datagram waits for the answer among whatever comes. The socket is connected, so that
// the kernel lets nothing in from another address.
func datagram(conn net.Conn, r *reply, packet []byte, id uint16) (*message, error) {
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	buffer := make([]byte, maxDatagram)
	var broken error
	for range maxStrangers {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, errors.Join(broken, err)
		}
		m, err := r.asked.read(buffer[:n], id)
		if err == nil {
			return m, nil
		}
		r.strangers++
		if errors.Is(err, errGarbled) { // a better one may follow
			broken = err
		}
	}
	return nil, errStrangers
}

// stream asks by TCP (RFC 7766): a length of two bytes stands before each message.
func stream(conn net.Conn, r *reply, packet []byte, id uint16) (*message, error) {
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(packet)))
	if _, err := conn.Write(append(framed, packet...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, err
	}
	return r.asked.read(answer, id)
}

// reason puts an error into the words that are shown.
func reason(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, errGarbled):
		return errGarbled
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.Canceled):
		return errSilent
	case errors.Is(err, unix.ECONNREFUSED):
		return errRefused
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EADDRNOTAVAIL):
		return errNoWay
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.ECONNRESET):
		return errors.New("closes the connection")
	default:
		return err
	}
}
