// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// maxRecords bounds how many records of one message are read: a message of 4,096 bytes
// has room for fewer than 400 that mean anything.
const maxRecords = 512

// parser reads one message at a time into the events that it owns.
type parser struct {
	message dnsmessage.Parser
	names   labels
	query   event.DNSQuery
	answer  event.DNSAnswer
}

func newParser() parser {
	return parser{names: newLabels(), answer: event.DNSAnswer{
		Addresses: make([]netip.Addr, 0, event.DNSAddresses),
		Aliases:   make([]string, 0, event.DNSAliases),
	}}
}

// start reads header and question. It gives false for messages that are no business
// of a resolver's client: updates, notifications, and other operations.
func (p *parser) start(message []byte, response bool) (dnsmessage.Header, dnsmessage.Question, bool, error) {
	var none dnsmessage.Question
	header, err := p.message.Start(message)
	if err != nil {
		return header, none, false, garbled(err)
	}
	if header.OpCode != 0 {
		return header, none, false, nil
	}
	if header.Response != response {
		return header, none, false, garbled(errors.New("it goes the wrong way"))
	}
	question, err := p.message.Question()
	if err != nil {
		return header, none, false, garbled(err)
	}
	if err := p.message.SkipQuestion(); !errors.Is(err, dnsmessage.ErrSectionDone) {
		return header, none, false, garbled(errors.New("it has more than one question"))
	}
	return header, question, true, nil
}

func garbled(err error) error { return fmt.Errorf("%w: %w", ErrGarbled, err) }

func (p *parser) readQuery(message []byte) (bool, error) {
	header, question, known, err := p.start(message, false)
	if err != nil || !known {
		return false, err
	}
	p.query.ID = header.ID
	p.query.Recursive = header.RecursionDesired
	p.query.Name = p.names.name(&question.Name)
	p.query.Type = TypeName(question.Type)
	return true, nil
}

func (p *parser) readAnswer(message []byte) (bool, error) {
	header, question, known, err := p.start(message, true)
	if err != nil || !known {
		return false, err
	}
	a := &p.answer
	a.ID = header.ID
	a.Authoritative, a.Truncated, a.Authenticated = header.Authoritative, header.Truncated, header.AuthenticData
	a.Name = p.names.name(&question.Name)
	a.Type = TypeName(question.Type)
	code := header.RCode
	if err := p.readSections(question.Type, &code); err != nil && !a.Cut && !a.Truncated {
		return false, garbled(err)
	}
	a.RCode = CodeName(code)
	return true, nil
}

func (p *parser) readSections(asked dnsmessage.Type, code *dnsmessage.RCode) error {
	if err := p.readRecords(asked); err != nil {
		return err
	}
	if err := p.readAuthority(); err != nil {
		return err
	}
	return p.readExtension(code)
}

// each visits the headers of one section. visit reads the body, or leaves it unread.
func each(next func() (dnsmessage.ResourceHeader, error), skip func() error,
	visit func(dnsmessage.ResourceHeader) (read bool, err error)) error {
	for range maxRecords {
		header, err := next()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return nil
		}
		if err != nil {
			return err
		}
		read, err := visit(header)
		if err == nil && !read {
			err = skip()
		}
		if err != nil {
			return err
		}
	}
	return errors.New("it has too many records")
}

// readRecords reads the answer section: the records that were asked for and the CNAMEs
// that lead to them (RFC 1034, 3.6.2). The smallest TTL is the answer's.
func (p *parser) readRecords(asked dnsmessage.Type) error {
	a, first := &p.answer, true
	return each(p.message.AnswerHeader, p.message.SkipAnswer, func(h dnsmessage.ResourceHeader) (bool, error) {
		if h.Type != asked && h.Type != dnsmessage.TypeCNAME {
			return false, nil
		}
		ttl := seconds(h.TTL)
		if first || ttl < a.TTL {
			a.TTL, first = ttl, false
		}
		if h.Type == asked {
			a.Records++
		}
		return p.readBody(h.Type)
	})
}

func (p *parser) readBody(kind dnsmessage.Type) (bool, error) {
	switch kind {
	case dnsmessage.TypeA:
		r, err := p.message.AResource()
		p.address(netip.AddrFrom4(r.A))
		return true, err
	case dnsmessage.TypeAAAA:
		r, err := p.message.AAAAResource()
		p.address(netip.AddrFrom16(r.AAAA))
		return true, err
	case dnsmessage.TypeCNAME:
		r, err := p.message.CNAMEResource()
		if err == nil && len(p.answer.Aliases) < event.DNSAliases {
			p.answer.Aliases = append(p.answer.Aliases, p.names.name(&r.CNAME))
		}
		return true, err
	case dnsmessage.TypeHTTPS, dnsmessage.TypeSVCB:
		r, err := p.message.Answer()
		if err == nil {
			p.hints(r.Body)
		}
		return true, err
	default:
		return false, nil
	}
}

func (p *parser) address(a netip.Addr) {
	if len(p.answer.Addresses) < event.DNSAddresses {
		p.answer.Addresses = append(p.answer.Addresses, a)
	}
}

// hints reads the addresses that a service binding brings along (RFC 9460, 7.3).
func (p *parser) hints(body dnsmessage.ResourceBody) {
	var binding *dnsmessage.SVCBResource
	switch body := body.(type) {
	case *dnsmessage.HTTPSResource:
		binding = &body.SVCBResource
	case *dnsmessage.SVCBResource:
		binding = body
	default:
		return
	}
	four, _ := binding.GetParam(dnsmessage.SVCParamIPv4Hint)
	for ; len(four) >= 4; four = four[4:] {
		p.address(netip.AddrFrom4([4]byte(four)))
	}
	six, _ := binding.GetParam(dnsmessage.SVCParamIPv6Hint)
	for ; len(six) >= 16; six = six[16:] {
		p.address(netip.AddrFrom16([16]byte(six)))
	}
}

// readAuthority looks for the SOA record that says how long a denial holds: the lesser
// of its TTL, which a cache counts down, and its minimum field (RFC 2308, 5).
func (p *parser) readAuthority() error {
	return each(p.message.AuthorityHeader, p.message.SkipAuthority, func(h dnsmessage.ResourceHeader) (bool, error) {
		if h.Type != dnsmessage.TypeSOA || p.answer.Records > 0 {
			return false, nil
		}
		soa, err := p.message.SOAResource()
		p.answer.NegativeTTL = min(seconds(h.TTL), seconds(soa.MinTTL))
		return true, err
	})
}

// readExtension looks for EDNS0's record, which has the upper bits of the response code
// (RFC 6891, 6.1.3).
func (p *parser) readExtension(code *dnsmessage.RCode) error {
	return each(p.message.AdditionalHeader, p.message.SkipAdditional, func(h dnsmessage.ResourceHeader) (bool, error) {
		if h.Type == dnsmessage.TypeOPT {
			*code = h.ExtendedRCode(*code)
		}
		return false, nil
	})
}

// seconds reads a TTL: one with the highest bit set counts as 0 (RFC 2181, 8).
func seconds(ttl uint32) uint32 {
	if ttl&(1<<31) != 0 {
		return 0
	}
	return ttl
}
