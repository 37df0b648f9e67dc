// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// zone is what a name server knows: records that may change at any time. It is safe for
// use by several goroutines.
type zone struct {
	mu      sync.Mutex
	records map[string]record
	// negative is how long a denial may be kept, in seconds.
	negative uint32
	// turns makes each answer begin with another address.
	turns bool
	asked int
}

// record is what one name has.
type record struct {
	ttl   uint32 // seconds
	addrs []netip.Addr
	alias string // the canonical name, where it is another's
}

func newZone() *zone { return &zone{records: map[string]record{}, negative: 30} }

// set gives a name its addresses of both families, in place of those it had.
func (z *zone) set(name string, ttl uint32, addrs ...string) {
	r := record{ttl: ttl}
	for _, addr := range addrs {
		r.addrs = append(r.addrs, netip.MustParseAddr(addr))
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[name] = r
}

// remove takes a name out: it does not exist from now on.
func (z *zone) remove(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	delete(z.records, name)
}

// alias makes a name another one's.
func (z *zone) alias(name string, ttl uint32, canonical string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[name] = record{ttl: ttl, alias: canonical}
}

// reply implements responder: it answers what the zone knows and denies all else.
func (z *zone) reply(q *dnsmessage.Message) *dnsmessage.Message {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	a := replyTo(q)
	a.Authoritative = true
	asked := q.Questions[0]
	name := strings.ToLower(strings.TrimSuffix(asked.Name.String(), "."))
	r, known := z.records[name]
	for depth := 0; known && r.alias != "" && depth < 8; depth++ {
		a.Answers = append(a.Answers, aliasRecord(name, r))
		name = r.alias
		r, known = z.records[name]
	}
	if !known {
		a.RCode = dnsmessage.RCodeNameError
	}
	for i := range r.addrs {
		if z.turns {
			i = (i + z.asked) % len(r.addrs)
		}
		if kindOf(r.addrs[i]) == asked.Type {
			a.Answers = append(a.Answers, addressRecord(name, r.ttl, r.addrs[i]))
		}
	}
	if len(a.Answers) == 0 {
		a.Authorities = append(a.Authorities, z.authority())
	}
	return a
}

// authority is the SOA record that bounds how long a denial is kept (RFC 2308, 5).
func (z *zone) authority() dnsmessage.Resource {
	origin := dnsmessage.MustNewName("test.")
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: origin, Class: dnsmessage.ClassINET, TTL: z.negative},
		Body: &dnsmessage.SOAResource{
			NS: origin, MBox: origin, Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, MinTTL: z.negative,
		},
	}
}

// replyTo gives an empty answer to a question, with its id and flags.
func replyTo(q *dnsmessage.Message) *dnsmessage.Message {
	return &dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: q.ID, Response: true, RecursionDesired: q.RecursionDesired, RecursionAvailable: true,
		},
		Questions: q.Questions,
	}
}

func kindOf(addr netip.Addr) dnsmessage.Type {
	if addr.Is4() {
		return dnsmessage.TypeA
	}
	return dnsmessage.TypeAAAA
}

func addressRecord(name string, ttl uint32, addr netip.Addr) dnsmessage.Resource {
	r := dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name + "."), Class: dnsmessage.ClassINET, TTL: ttl},
	}
	if addr.Is4() {
		r.Body = &dnsmessage.AResource{A: addr.As4()}
	} else {
		r.Body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
	}
	return r
}

func aliasRecord(name string, r record) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name + "."), Class: dnsmessage.ClassINET, TTL: r.ttl},
		Body:   &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(r.alias + ".")},
	}
}
