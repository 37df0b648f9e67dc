// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// cache is a resolver that asks another server and keeps what it heard, denials too,
// for as long as that holds. It is safe for use by several goroutines.
type cache struct {
	space    *space
	upstream stub
	mu       sync.Mutex
	kept     map[dnsmessage.Question]kept
}

// kept is an answer and when it was heard.
type kept struct {
	answer *dnsmessage.Message
	at     time.Time
}

// newCache makes a resolver in a namespace that asks the server at an address.
func newCache(s *space, upstream string) *cache { //nolint:unparam // reads as what it is where it is called
	return &cache{space: s, upstream: stubOf(upstream), kept: map[dnsmessage.Question]kept{}}
}

// reply implements responder. A server that says nothing is passed on as a failure.
func (c *cache) reply(q *dnsmessage.Message) *dnsmessage.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := q.Questions[0]
	k, ok := c.kept[asked]
	age := time.Since(k.at)
	if !ok || age >= holds(k.answer) {
		heard, err := c.hear(asked)
		if err != nil {
			a := replyTo(q)
			a.RCode = dnsmessage.RCodeServerFailure
			return a
		}
		k, age = kept{heard, time.Now()}, 0
		c.kept[asked] = k
	}
	a := replyTo(q)
	a.RCode = k.answer.RCode
	a.Answers = aged(k.answer.Answers, age)
	a.Authorities = aged(k.answer.Authorities, age)
	return a
}

// hear asks upstream, inside the resolver's namespace.
func (c *cache) hear(asked dnsmessage.Question) (heard *dnsmessage.Message, err error) {
	err = c.space.do(func() error {
		answers, err := c.upstream.ask(asked.Name.String(), asked.Type)
		if err == nil {
			heard = answers[0]
		}
		return err
	})
	return heard, err
}

// flush forgets all.
func (c *cache) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.kept)
}

// holds tells how long an answer holds: as long as the first of its records to run out.
func holds(a *dnsmessage.Message) time.Duration {
	ttl := ^uint32(0)
	for _, r := range append(a.Answers[:len(a.Answers):len(a.Answers)], a.Authorities...) {
		ttl = min(ttl, r.Header.TTL)
	}
	return time.Duration(ttl) * time.Second
}

// aged gives records with the time that is left to them.
func aged(records []dnsmessage.Resource, age time.Duration) []dnsmessage.Resource {
	var now []dnsmessage.Resource
	for _, r := range records {
		r.Header.TTL -= min(uint32(age/time.Second), r.Header.TTL)
		now = append(now, r)
	}
	return now
}
