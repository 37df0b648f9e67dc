// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// asks and patience bound the questions to one nameserver: a resolver in the next
	// rack answers in a millisecond, a slow one upstream within half a second.
	asks     = 2
	patience = 700 * time.Millisecond
	// servers bounds how many nameservers of a namespace are asked.
	servers = 8
)

// reply is what one nameserver said.
type reply struct {
	server   netip.Addr
	answered bool
	took     time.Duration
	code     dnsmessage.RCode
	// addrs and ttl are the answer's, for a name that was asked for.
	addrs []netip.Addr
	ttl   uint32
	err   string
}

// askAll puts one question to every nameserver, from the calling thread's namespace.
// The root's name servers are what any resolver knows; the answer's content does not
// matter then.
func askAll(list []netip.Addr, name string) []reply {
	question := dnsmessage.Question{Name: dnsmessage.MustNewName("."), Type: dnsmessage.TypeNS, Class: dnsmessage.ClassINET}
	if name != "" {
		if full, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + "."); err == nil {
			question = dnsmessage.Question{Name: full, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
		}
	}
	list = list[:min(len(list), servers)]
	replies := make([]reply, len(list))
	sockets := make([]net.Conn, len(list))
	for i, server := range list {
		replies[i] = reply{server: server}
		socket, err := net.Dial("udp", netip.AddrPortFrom(server, 53).String())
		if err != nil {
			replies[i].err = err.Error()
			continue
		}
		defer socket.Close() // a question that was asked is over
		sockets[i] = socket
	}
	for range asks {
		round(sockets, replies, question)
	}
	return replies
}

// round asks those that have not answered, then waits for all together.
func round(sockets []net.Conn, replies []reply, question dnsmessage.Question) {
	begun := time.Now()
	const id = 0x7472 // a socket of its own tells answers apart
	message := dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true}, Questions: []dnsmessage.Question{question}}
	packed, err := message.Pack()
	if err != nil {
		return // cannot be: the name was checked
	}
	for i, socket := range sockets {
		if socket == nil || replies[i].answered {
			continue
		}
		if _, err := socket.Write(packed); err != nil {
			replies[i].err = err.Error()
		}
	}
	for i, socket := range sockets {
		if socket == nil || replies[i].answered {
			continue
		}
		if err := hear(socket, begun.Add(patience), &replies[i]); err != nil {
			replies[i].err = err.Error()
			continue
		}
		replies[i].answered, replies[i].err, replies[i].took = true, "", time.Since(begun)
	}
}

// hear reads the answer.
func hear(socket net.Conn, until time.Time, r *reply) error {
	if err := socket.SetReadDeadline(until); err != nil {
		return err
	}
	buffer := make([]byte, 4096)
	size, err := socket.Read(buffer)
	if err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(buffer[:size]); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	r.code = m.RCode
	for _, one := range m.Answers {
		if a, ok := one.Body.(*dnsmessage.AResource); ok {
			r.addrs = append(r.addrs, netip.AddrFrom4(a.A))
			if r.ttl == 0 || one.Header.TTL < r.ttl {
				r.ttl = one.Header.TTL
			}
		}
	}
	slices.SortFunc(r.addrs, netip.Addr.Compare)
	return nil
}
