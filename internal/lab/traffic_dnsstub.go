// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// stub is a client's resolver without a library, as in a static program: it sends the
// questions of one lookup side by side from one socket and waits for all answers.
type stub struct {
	server netip.AddrPort
	// network is "udp" or "tcp", wait how long one try waits, tries how many there are.
	network string
	wait    time.Duration
	tries   int
}

// stubOf gives the stub of a resolver's address.
func stubOf(server string) stub {
	return stub{server: netip.AddrPortFrom(netip.MustParseAddr(server), dnsPort), network: "udp", wait: time.Second, tries: 2}
}

// errNoAnswer says that a resolver was silent.
var errNoAnswer = errors.New("no answer")

// errDenied says that there is no such name, or that it has no address.
var errDenied = errors.New("no such name")

// ask asks for a name's records of several types at once and gives the answers in their
// order. It must run inside the namespace it is for.
func (s stub) ask(name string, kinds ...dnsmessage.Type) ([]*dnsmessage.Message, error) {
	conn, err := net.Dial(s.network, s.server.String())
	if err != nil {
		return nil, fmt.Errorf("reach resolver: %w", err)
	}
	defer conn.Close()
	var id [2]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("draw an id: %w", err)
	}
	first := binary.BigEndian.Uint16(id[:])
	answers := make([]*dnsmessage.Message, len(kinds))
	for range s.tries {
		if err := s.send(conn, name, first, kinds, answers); err != nil {
			return nil, err
		}
		if s.collect(conn, first, answers) {
			return answers, nil
		}
	}
	return nil, errNoAnswer
}

// send sends the questions that have no answer yet.
func (s stub) send(conn net.Conn, name string, first uint16, kinds []dnsmessage.Type, answers []*dnsmessage.Message) error {
	for i, kind := range kinds {
		if answers[i] != nil {
			continue
		}
		packed, err := question(first+uint16(i), name, kind)
		if err != nil {
			return err
		}
		if s.network == "tcp" {
			packed = framed(packed)
		}
		if _, err := conn.Write(packed); err != nil {
			return fmt.Errorf("ask: %w", err)
		}
	}
	return nil
}

// collect waits for the answers that are missing, and tells whether all came.
func (s stub) collect(conn net.Conn, first uint16, answers []*dnsmessage.Message) bool {
	_ = conn.SetReadDeadline(time.Now().Add(s.wait))
	for missing := 1; missing > 0; {
		packed, err := s.read(conn)
		if err != nil {
			return false
		}
		var a dnsmessage.Message
		if a.Unpack(packed) == nil && int(a.ID-first) < len(answers) {
			answers[a.ID-first] = &a
		}
		missing = 0
		for _, a := range answers {
			if a == nil {
				missing++
			}
		}
	}
	return true
}

func (s stub) read(conn net.Conn) ([]byte, error) {
	if s.network == "tcp" {
		return readFramed(conn)
	}
	buffer := make([]byte, maxQuestion)
	size, err := conn.Read(buffer)
	return buffer[:size], err
}

func question(id uint16, name string, kind dnsmessage.Type) ([]byte, error) {
	asked, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, fmt.Errorf("read name %q: %w", name, err)
	}
	q := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: asked, Type: kind, Class: dnsmessage.ClassINET}},
	}
	return q.Pack()
}

// addresses looks a name up, for both families, and gives what was found.
func (s stub) addresses(name string) ([]netip.Addr, error) {
	answers, err := s.ask(name, dnsmessage.TypeA, dnsmessage.TypeAAAA)
	if err != nil {
		return nil, err
	}
	var found []netip.Addr
	for _, a := range answers {
		if a.RCode == dnsmessage.RCodeServerFailure {
			return nil, errNoAnswer
		}
		for _, r := range a.Answers {
			switch body := r.Body.(type) {
			case *dnsmessage.AResource:
				found = append(found, netip.AddrFrom4(body.A))
			case *dnsmessage.AAAAResource:
				found = append(found, netip.AddrFrom16(body.AAAA))
			}
		}
	}
	if len(found) == 0 {
		return nil, errDenied
	}
	return found, nil
}
