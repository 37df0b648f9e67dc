// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"errors"
	"fmt"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/decode"
)

// maxRecords bounds what is read of each section of a message.
const maxRecords = 256

// Sizes of messages, in bytes. The one that is offered passes every path without being
// fragmented (RFC 9715).
const (
	offered     = 1232
	maxDatagram = 4096
)

// errStranger says that a packet is no answer to what was asked: a late one, or one that
// somebody made up.
var errStranger = errors.New("not an answer to the question")

// errGarbled says that an answer cannot be read.
var errGarbled = errors.New("malformed answer")

// question is what one server is asked.
type question struct {
	name string
	kind dnsmessage.Type
	// recursive asks a resolver to find out; servers of a zone are asked for what they
	// have.
	recursive bool
}

// pack gives the question as a message, with EDNS0 where the server is not too old.
func (q question) pack(id uint16, extended bool) ([]byte, error) {
	name, err := packed(q.name)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", q.name, err)
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: q.recursive},
		Questions: []dnsmessage.Question{{Name: name, Type: q.kind, Class: dnsmessage.ClassINET}},
	}
	if extended {
		option := dnsmessage.Resource{Body: &dnsmessage.OPTResource{}}
		if err := option.Header.SetEDNS0(offered, dnsmessage.RCodeSuccess, false); err != nil {
			return nil, err
		}
		m.Additionals = []dnsmessage.Resource{option}
	}
	return m.Pack()
}

// message is an answer.
type message struct {
	code  string
	flags []string
	// authoritative: the server speaks for the zone.
	authoritative, truncated bool
	// recursive: the server finds out what it does not know.
	recursive                bool
	answers, authority, more []record
	// denial is how long the answer that there is nothing holds, in seconds, nil where
	// the message does not say.
	denial *uint32
}

// read reads an answer. It is errStranger unless id and question are those asked.
func (q question) read(packet []byte, id uint16) (*message, error) {
	var p dnsmessage.Parser
	header, err := p.Start(packet)
	if err != nil || header.ID != id || !header.Response || header.OpCode != 0 {
		return nil, errStranger
	}
	asked, err := p.Question()
	if err != nil || decode.Name(&asked.Name) != q.name || asked.Type != q.kind || asked.Class != dnsmessage.ClassINET {
		return nil, errStranger
	}
	if err := p.SkipQuestion(); !errors.Is(err, dnsmessage.ErrSectionDone) {
		return nil, fmt.Errorf("%w: more than one question", errGarbled)
	}
	m := &message{authoritative: header.Authoritative, truncated: header.Truncated, recursive: header.RecursionAvailable, flags: flagsOf(header)}
	code := header.RCode
	if err := m.readSections(&p, &code); err != nil && !m.truncated {
		return nil, fmt.Errorf("%w: %w", errGarbled, err)
	}
	m.code = decode.CodeName(code)
	return m, nil
}

func flagsOf(h dnsmessage.Header) []string {
	var flags []string
	for _, f := range []struct {
		set  bool
		name string
	}{
		{h.Authoritative, "AA"}, {h.Truncated, "TC"}, {h.RecursionDesired, "RD"},
		{h.RecursionAvailable, "RA"}, {h.AuthenticData, "AD"},
	} {
		if f.set {
			flags = append(flags, f.name)
		}
	}
	return flags
}

func (m *message) readSections(p *dnsmessage.Parser, code *dnsmessage.RCode) (err error) {
	if m.answers, err = section(p.Answer, func(*dnsmessage.Resource) {}); err != nil {
		return err
	}
	if m.authority, err = section(p.Authority, m.takeDenial); err != nil {
		return err
	}
	m.more, err = section(p.Additional, func(r *dnsmessage.Resource) {
		if r.Header.Type == dnsmessage.TypeOPT { // the code's upper bits: RFC 6891, 6.1.3
			*code = r.Header.ExtendedRCode(*code)
		}
	})
	return err
}

// takeDenial reads how long a denial holds: the lesser of the SOA record's TTL, which a
// cache counts down, and its minimum field (RFC 2308, 5).
func (m *message) takeDenial(r *dnsmessage.Resource) {
	if soa, ok := r.Body.(*dnsmessage.SOAResource); ok {
		holds := min(newRecord(r).ttl, soa.MinTTL)
		m.denial = &holds
	}
}

func section(next func() (dnsmessage.Resource, error), visit func(*dnsmessage.Resource)) ([]record, error) {
	var list []record
	for range maxRecords {
		r, err := next()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		visit(&r)
		if r.Header.Class == dnsmessage.ClassINET && r.Header.Type != dnsmessage.TypeOPT {
			list = append(list, newRecord(&r))
		}
	}
	return list, errors.New("too many records")
}

// set gives what a message says of one name: its records of the type, or its alias.
func (m *message) set(owner string, kind dnsmessage.Type) []record {
	var found []record
	for _, r := range m.answers {
		if r.owner == owner && r.kind == kind {
			found = append(found, r)
		}
	}
	if len(found) > 0 || kind == dnsmessage.TypeCNAME {
		return found
	}
	return m.set(owner, dnsmessage.TypeCNAME)
}

// maxAliases bounds a chain of aliases, which may be a loop.
const maxAliases = 8

// chain gives the names that an answer leads over, from the one asked for to the one that
// has, or lacks, the records (RFC 1034, 3.6.2).
func (m *message) chain(q question) []string {
	names := []string{q.name}
	for at := q.name; len(names) <= maxAliases; {
		set := m.set(at, q.kind)
		if len(set) == 0 || set[0].kind == q.kind {
			break
		}
		at = set[0].data
		names = append(names, at)
	}
	return names
}

// final gives the records that were asked for, at the end of the chain.
func (m *message) final(q question) []record {
	names := m.chain(q)
	set := m.set(names[len(names)-1], q.kind)
	if len(set) == 0 || set[0].kind != q.kind {
		return nil
	}
	return set
}
