// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// scene is a network of its own, in which servers listen at port 53 of addresses of the
// loopback: real sockets, real packets.
type scene struct {
	*testing.T
	netns *kerneltest.Netns
}

func newScene(t *testing.T) *scene {
	t.Helper()
	t.Parallel()
	return &scene{T: t, netns: kerneltest.Namespace(t)}
}

func (s *scene) dial(ctx context.Context, network string, to netip.AddrPort) (conn net.Conn, err error) {
	err = s.netns.Try(func() (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, to.String())
		return err
	})
	return conn, err
}

// probe asks for the A records of a name.
func (s *scene) probe(name string, servers ...Server) *Report {
	s.Helper()
	report, err := Probe(s.Context(), Options{Name: name, Type: "A", Servers: servers, Dial: s.dial})
	if err != nil {
		s.Fatalf("%v: %+v", err, report)
	}
	return report
}

func at(layer Layer, addr string) Server {
	return Server{layer, netip.AddrPortFrom(netip.MustParseAddr(addr), Port)}
}

// row gives the row of a server.
func (s *scene) row(r *Report, server string) Row {
	s.Helper()
	for _, row := range r.Servers {
		if row.Server == server {
			return row
		}
	}
	s.Fatalf("%s has no row in %+v", server, r)
	return Row{}
}

func (s *scene) says(r *Report, words ...string) {
	s.Helper()
	for _, word := range words {
		if !strings.Contains(strings.Join(r.Says, "\n"), word) {
			s.Errorf("nothing says %q: %q", word, r.Says)
		}
	}
}

// handler gives the answer to a packet, nil for silence. More packets may be sent
// before it by way of send.
type handler func(packet []byte, tcp bool, send func([]byte)) []byte

// listen serves at port 53 of an address, by UDP and TCP.
func (s *scene) listen(addr string, h handler) {
	s.Helper()
	var packets net.PacketConn
	var streams net.Listener
	s.netns.Do(s, func() (err error) {
		if packets, err = net.ListenPacket("udp", net.JoinHostPort(addr, "53")); err != nil {
			return err
		}
		streams, err = net.Listen("tcp", net.JoinHostPort(addr, "53"))
		return err
	})
	s.Cleanup(func() { packets.Close(); streams.Close() })
	go serveDatagrams(packets, h)
	go serveStreams(streams, h)
}

func serveDatagrams(c net.PacketConn, h handler) {
	buffer := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(buffer)
		if err != nil {
			return
		}
		send := func(packet []byte) { _, _ = c.WriteTo(packet, from) }
		if answer := h(buffer[:n], false, send); answer != nil {
			send(answer)
		}
	}
}

func serveStreams(l net.Listener, h handler) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			var size [2]byte
			if _, err := io.ReadFull(c, size[:]); err != nil {
				return
			}
			packet := make([]byte, binary.BigEndian.Uint16(size[:]))
			if _, err := io.ReadFull(c, packet); err != nil {
				return
			}
			if answer := h(packet, true, nil); answer != nil {
				_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
			}
		}()
	}
}

// book is what a server knows. One with recursion answers as a cache does; one without
// speaks for a zone, and refers to the servers of zones below.
type book struct {
	mu        sync.Mutex
	zone      string
	recursion bool
	// lines are "name TTL TYPE data"; aliases are followed within the book.
	lines []string
	// code is answered to everything, where it is not 0.
	code dnsmessage.RCode
}

func (b *book) set(lines ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = lines
}

// handle answers from the book.
func (b *book) handle(packet []byte, _ bool, _ func([]byte)) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reply(packet).pack()
}

type answer struct{ dnsmessage.Message }

func (a *answer) pack() []byte {
	packed, err := a.Pack()
	if err != nil {
		panic(err)
	}
	return packed
}

// question gives an answer that has nothing yet but what was asked.
func replyTo(packet []byte) *answer {
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil {
		panic(err)
	}
	m.Response, m.Additionals = true, nil
	return &answer{m}
}

func (b *book) reply(packet []byte) *answer {
	a := replyTo(packet)
	a.RecursionAvailable, a.RCode = b.recursion, b.code
	if b.code != 0 {
		return a
	}
	q := a.Questions[0]
	name, exists := q.Name.String(), false
	for range 4 {
		found, alias := b.find(name, q.Type)
		a.Answers = append(a.Answers, found...)
		exists = exists || b.has(name)
		if alias == "" {
			break
		}
		name, exists = alias, true
	}
	a.Authoritative = !b.recursion
	if len(a.Answers) > 0 || b.refer(a, q.Name.String()) {
		return a
	}
	if !exists {
		a.RCode = dnsmessage.RCodeNameError
	}
	soa := resource(fmt.Sprintf("%s 60 SOA x", b.zone))
	a.Authorities = append(a.Authorities, soa)
	return a
}

func (b *book) find(name string, kind dnsmessage.Type) (found []dnsmessage.Resource, alias string) {
	for _, line := range b.lines {
		r := resource(line)
		if !strings.EqualFold(r.Header.Name.String(), name) {
			continue
		}
		if c, ok := r.Body.(*dnsmessage.CNAMEResource); ok && kind != dnsmessage.TypeCNAME {
			return []dnsmessage.Resource{r}, c.CNAME.String()
		}
		if r.Header.Type == kind && (b.recursion || kind != dnsmessage.TypeNS || name == b.zone) {
			found = append(found, r)
		}
	}
	return found, ""
}

func (b *book) has(name string) bool {
	for _, line := range b.lines {
		if strings.HasSuffix("."+strings.Fields(line)[0], "."+name) {
			return true
		}
	}
	return false
}

// refer makes a delegation of the answer, where a zone below has the name.
func (b *book) refer(a *answer, name string) bool {
	if b.recursion {
		return false
	}
	for _, line := range b.lines {
		r := resource(line)
		owner := r.Header.Name.String()
		if r.Header.Type != dnsmessage.TypeNS || owner == b.zone || !strings.HasSuffix("."+name, "."+owner) {
			continue
		}
		a.Authoritative = false
		a.Authorities = append(a.Authorities, r)
		glue, _ := b.find(r.Body.(*dnsmessage.NSResource).NS.String(), dnsmessage.TypeA)
		a.Additionals = append(a.Additionals, glue...)
	}
	return len(a.Authorities) > 0
}

// resource reads "name TTL TYPE data".
func resource(line string) dnsmessage.Resource {
	var name, kind, data string
	var ttl uint32
	if _, err := fmt.Sscan(line, &name, &ttl, &kind, &data); err != nil {
		panic(line)
	}
	r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: ttl, Type: types()[kind]}}
	switch kind {
	case "A":
		r.Body = &dnsmessage.AResource{A: netip.MustParseAddr(data).As4()}
	case "AAAA":
		r.Body = &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(data).As16()}
	case "NS":
		r.Body = &dnsmessage.NSResource{NS: dnsmessage.MustNewName(data)}
	case "CNAME":
		r.Body = &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(data)}
	case "SOA":
		name := dnsmessage.MustNewName(name)
		r.Body = &dnsmessage.SOAResource{NS: name, MBox: name, Serial: 1, MinTTL: 60}
	}
	return r
}
