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

	"golang.org/x/net/dns/dnsmessage"
)

// dnsPort is where name servers are asked.
const dnsPort = 53

// maxQuestion is more than any question of the lab's takes.
const maxQuestion = 1500

// responder gives a server's answer to a question, nil for none. It may be called by
// several goroutines.
type responder func(q *dnsmessage.Message) *dnsmessage.Message

// serveDNS answers at port 53 of each address inside a namespace, by UDP and TCP.
func (n *network) serveDNS(s *space, answer responder, addrs ...string) job {
	var jobs []job
	for _, addr := range addrs {
		at := netip.AddrPortFrom(netip.MustParseAddr(addr), dnsPort)
		jobs = append(jobs, n.serveDatagrams(s, at, func(question []byte) []byte {
			return answerTo(question, answer)
		}))
		jobs = append(jobs, n.serve(s, func(conn net.Conn) { answerStream(conn, answer) }, at.String()))
	}
	return together(jobs...)
}

// serveDatagrams answers each datagram at an address with one, nil for none.
func (n *network) serveDatagrams(s *space, at netip.AddrPort, answer func(datagram []byte) []byte) job {
	if n.err != nil {
		return together()
	}
	var conn *net.UDPConn
	err := s.do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		n.fail(fmt.Errorf("serve datagrams in %s: %w", s.role, err))
		return together()
	}
	n.closers = append(n.closers, conn)
	return func(ctx context.Context, _ *meter) error {
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
		buffer := make([]byte, maxQuestion)
		for {
			size, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return nil
			}
			if reply := answer(buffer[:size]); reply != nil {
				_, _ = conn.WriteToUDPAddrPort(reply, from) // who asked notices
			}
		}
	}
}

// answerStream answers the questions of one connection (RFC 1035, 4.2.2).
func answerStream(conn net.Conn, answer responder) {
	for {
		_ = conn.SetDeadline(time.Now().Add(patience))
		question, err := readFramed(conn)
		if err != nil {
			return
		}
		reply := answerTo(question, answer)
		if reply == nil {
			return
		}
		if _, err := conn.Write(framed(reply)); err != nil {
			return
		}
	}
}

func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

func readFramed(from io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(from, message)
	return message, err
}

// answerTo gives the packed answer to a packed question, nil where there is none.
func answerTo(question []byte, answer responder) []byte {
	var q dnsmessage.Message
	if q.Unpack(question) != nil || q.Response || len(q.Questions) != 1 {
		return nil
	}
	a := answer(&q)
	if a == nil {
		return nil
	}
	packed, err := a.Pack()
	if err != nil {
		return nil
	}
	return packed
}
