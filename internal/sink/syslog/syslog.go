// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package syslog delivers records to a syslog server: RFC 5424 messages over UDP
// (RFC 5426), TCP with octet counting (RFC 6587, section 3.4.1) and TLS (RFC 5425).
//
// Syslog has no receipt: what was written to a connection may lie in a buffer of a
// server that is killed. So over TCP and TLS each batch has a connection of its own,
// which is closed for writing after the last message; a server that has read
// everything sees that end and closes, too. Only then is the batch delivered. Findings
// are rare, a connection for a batch of them costs little, and a batch whose connection
// broke is sent again, with the same event.id in each record.
package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/trapbpf/trapbpf/internal/sink"
)

const (
	// dialWithin bounds a connection with its handshake, sendWithin a batch.
	dialWithin = 5 * time.Second
	sendWithin = 10 * time.Second
	// endWithin is how long a server may take to close after it was told the end. One
	// that keeps the connection although it has acknowledged every byte is believed.
	endWithin = 3 * time.Second
)

// Options say where to and how.
type Options struct {
	// Address is udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT.
	Address string `yaml:"address"`
	// Facility is a word of RFC 5424, local0 where empty.
	Facility string   `yaml:"facility"`
	TLS      sink.TLS `yaml:"tls"`
}

// ports are used where an address names none (RFC 5426, 6587, 5425).
func ports() map[string]string {
	return map[string]string{"udp": "514", "tcp": "601", "tls": "6514"}
}

// Check says which key is wrong.
func (o *Options) Check() (key string, err error) {
	if _, _, err := o.target(); err != nil {
		return "address", err
	}
	if _, err := facilityOf(o.Facility); err != nil {
		return "facility", err
	}
	if key, err := o.TLS.Check(); err != nil {
		return "tls." + key, err
	}
	return "", nil
}

func (o *Options) target() (network, address string, err error) {
	u, err := url.Parse(o.Address)
	if err != nil || u.Hostname() == "" || ports()[u.Scheme] == "" || u.Path != "" {
		return "", "", fmt.Errorf("%q is no syslog address: give udp://, tcp:// or tls://HOST:PORT", o.Address)
	}
	port := u.Port()
	if port == "" {
		port = ports()[u.Scheme]
	}
	return u.Scheme, net.JoinHostPort(u.Hostname(), port), nil
}

// Remote is a sink.Remote.
type Remote struct {
	name             string
	options          Options
	network, address string
	head             head
}

// New gives a remote that connects at each Send.
func New(name string, o Options) (*Remote, error) {
	network, address, err := o.target()
	if err != nil {
		return nil, err
	}
	facility, err := facilityOf(o.Facility)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return &Remote{
		name: name, options: o, network: network, address: address,
		head: head{facility: facility, host: host, pid: os.Getpid()},
	}, nil
}

// Name implements sink.Remote.
func (r *Remote) Name() string { return r.name }

// Close implements sink.Remote. No connection outlives its batch.
func (r *Remote) Close() error { return nil }

// Send implements sink.Remote.
func (r *Remote) Send(ctx context.Context, entries []sink.Entry) (int, error) {
	conn, err := r.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close() // what matters was confirmed before
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if err := conn.SetDeadline(time.Now().Add(sendWithin)); err != nil {
		return 0, err
	}
	if r.network == "udp" {
		return r.sendDatagrams(conn, entries)
	}
	if err := r.sendStream(conn, entries); err != nil {
		return 0, err
	}
	return len(entries), nil
}

func (r *Remote) dial(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: dialWithin}
	if r.network != "tls" {
		return dialer.DialContext(ctx, r.network, r.address)
	}
	config, err := r.options.TLS.Config()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", r.address)
}

// sendDatagrams sends each record as a datagram. A server that is not there is only
// noticed where an ICMP error comes back.
func (r *Remote) sendDatagrams(conn net.Conn, entries []sink.Entry) (int, error) {
	var message []byte
	for i, e := range entries {
		message = r.head.append(message[:0], e)
		if _, err := conn.Write(message); err != nil {
			return i, err
		}
	}
	return len(entries), nil
}

// sendStream sends a batch and waits for the server's end.
func (r *Remote) sendStream(conn net.Conn, entries []sink.Entry) error {
	var batch, message []byte
	for _, e := range entries {
		message = r.head.append(message[:0], e)
		batch = fmt.Appendf(batch, "%d ", len(message))
		batch = append(batch, message...)
	}
	if _, err := conn.Write(batch); err != nil {
		return err
	}
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("the connection cannot be closed for writing")
	}
	if err := half.CloseWrite(); err != nil {
		return err
	}
	return r.awaitEnd(conn)
}

// awaitEnd reads until the server closes, too.
func (r *Remote) awaitEnd(conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(endWithin)); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, io.LimitReader(conn, 1<<16))
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return arrived(conn)
	}
	if err != nil {
		return fmt.Errorf("wait for the server to take the batch: %w", err)
	}
	return nil
}
