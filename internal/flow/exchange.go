// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Bounds of the exchanges that are kept: at 20,000 questions a second and an answer
// after 100 ms, 2,000 are under way.
const (
	maxAsked  = 8192
	maxMissed = 2048
)

// missedFor is how long an answer that is late still finds its question.
const missedFor = time.Minute

// Exchange is one question with its answer, if there was any.
type Exchange struct {
	Query event.DNSQuery
	// Tries counts how often the same question was sent: same socket, same id.
	Tries int
	// Last is when it was sent last. Query.Time is when first.
	Last event.Time
	// Late is true where the exchange was given up before the answer came.
	Late bool
	// Forwarded is true where another process of the namespace waited for an answer about
	// the same from another server when this was asked: a resolver asks on its behalf.
	Forwarded bool
	// settled is true once it was answered or given up, useful where the answer was one.
	settled, useful bool
	// Unsure is true where answers were lost on their way to the agent while it waited.
	Unsure bool
	// race is what it shares with the same question to other servers, nil where it was
	// sent to one.
	race *race
}

// race is one question that was sent to several servers at once, as musl and some
// forwarders do: the first answer wins, and nobody waits for the others'.
type race struct{ won bool }

// Outrun tells whether another server answered the question, which was put to both at
// once: that this one's answer was not seen says nothing, since who asked had gone.
func (e *Exchange) Outrun() bool { return e.race != nil && e.race.won }

// Exchanges joins answers to questions by addresses, ports and id, and lets name and
// type prove it.
type Exchanges struct {
	asked  *Table[exchangeKey, *Exchange]
	missed *Table[exchangeKey, *Exchange]
	// first is who asked about a name last, on his own behalf.
	first *Table[NameKey, *Exchange]
	// sockets are the questions under way by what no translation of addresses changes.
	sockets *Table[socketKey, *Exchange]
	strays  uint64
}

// exchangeKey is plain memory: it is hashed several times a question.
type exchangeKey struct {
	client, server         [16]byte
	netns                  event.Netns
	clientPort, serverPort uint16
	id                     uint16
	protocol               uint8
}

// socketKey finds a question whose addresses were translated on its way out, where it is
// seen, while its answer comes back to the socket with those that the socket knows.
type socketKey struct {
	netns    event.Netns
	port, id uint16
	protocol uint8
}

// NewExchanges gives an empty table.
func NewExchanges() *Exchanges {
	return &Exchanges{
		asked:   NewTable[exchangeKey, *Exchange](maxAsked),
		missed:  NewTable[exchangeKey, *Exchange](maxMissed),
		first:   NewTable[NameKey, *Exchange](maxAsked),
		sockets: NewTable[socketKey, *Exchange](maxAsked),
	}
}

func keyOfQuery(q *event.DNSQuery) exchangeKey {
	return exchangeKey{
		q.Client.Addr().As16(), q.Server.Addr().As16(), q.Netns, q.Client.Port(), q.Server.Port(), q.ID, q.Protocol,
	}
}

func keyOfAnswer(a *event.DNSAnswer) exchangeKey {
	return exchangeKey{
		a.Client.Addr().As16(), a.Server.Addr().As16(), a.Netns, a.Client.Port(), a.Server.Port(), a.ID, a.Protocol,
	}
}

// about tells whether an exchange is about a name and type.
func (e *Exchange) about(name, kind string) bool { return e.Query.Name == name && e.Query.Type == kind }

// Ask takes a question in. It gives the exchange, and whether it is new: a question
// that was sent again, or was met on two devices, is not.
func (x *Exchanges) Ask(q *event.DNSQuery) (*Exchange, bool) {
	key := keyOfQuery(q)
	if known, ok := x.asked.Get(key); ok && known.about(q.Name, q.Type) {
		known.again(q.Time)
		return known, false
	}
	known, ok := x.missed.Get(key)
	if ok && known.about(q.Name, q.Type) && q.Time.Sub(known.Last) < missedFor {
		known.again(q.Time)
		return known, false
	}
	made := &Exchange{Query: *q, Tries: 1, Last: q.Time}
	x.missed.Drop(key)
	x.asked.Put(key, made)
	x.sockets.Put(socketKey{q.Netns, q.Client.Port(), q.ID, q.Protocol}, made)
	x.behalf(made)
	return made, true
}

// behalf tells a question that is passed on from one that begins.
func (x *Exchanges) behalf(made *Exchange) {
	q := &made.Query
	key := NameKey{q.Netns, q.Name, q.Type}
	first, ok := x.first.Get(key)
	if ok && !first.settled && q.Time.Sub(first.Last) < missedFor &&
		first.Query.Server != q.Server && first.Query.Owner.PID != q.Owner.PID {
		made.Forwarded = true
		return
	}
	if ok {
		made.joins(first)
	}
	x.first.Put(key, made)
}

// joins makes a question the same race as the one before where it is the same message,
// to another server in the same moment.
func (e *Exchange) joins(before *Exchange) {
	q, p := &e.Query, &before.Query
	if q.ID != p.ID || q.Server == p.Server || q.Owner.PID != p.Owner.PID || q.Client.Addr() != p.Client.Addr() && q.Owner.PID == 0 ||
		q.Time.Sub(p.Time) >= sameSend {
		return
	}
	if before.race == nil {
		before.race = &race{won: before.useful}
	}
	e.race = before.race
}

// sameSend is how close two sightings of one question are the same packet, met on two
// devices: no client repeats itself so soon.
const sameSend = 50 * time.Millisecond

func (e *Exchange) again(at event.Time) {
	if at.Sub(e.Last) >= sameSend {
		e.Tries++
	}
	e.Last = max(e.Last, at)
}

// Answer gives the exchange that an answer ends, nil for one that nobody asked for
// here: an answer that passes through to another namespace, or a forged one. Its server
// is another than the question's where the addresses are translated on this host.
func (x *Exchanges) Answer(a *event.DNSAnswer) *Exchange {
	key := keyOfAnswer(a)
	if known, ok := x.asked.Get(key); ok && known.about(a.Name, a.Type) {
		x.settle(key, known, a)
		return known
	}
	if known, ok := x.missed.Get(key); ok && known.about(a.Name, a.Type) {
		x.missed.Drop(key)
		known.Late = true
		return known
	}
	socket := socketKey{a.Netns, a.Client.Port(), a.ID, a.Protocol}
	if known, ok := x.sockets.Get(socket); ok && !known.settled && known.about(a.Name, a.Type) {
		x.settle(keyOfQuery(&known.Query), known, a)
		return known
	}
	x.strays++
	return nil
}

func (x *Exchanges) settle(key exchangeKey, e *Exchange, a *event.DNSAnswer) {
	x.asked.Drop(key)
	x.sockets.Drop(socketKey{e.Query.Netns, e.Query.Client.Port(), e.Query.ID, e.Query.Protocol})
	e.settled = true
	e.useful = a.RCode == "NOERROR" || a.RCode == "NXDOMAIN"
	if e.race != nil && e.useful {
		e.race.won = true
	}
}

// Miss gives up a question that is under way, because who asked it has.
func (x *Exchanges) Miss(e *Exchange) bool {
	key := keyOfQuery(&e.Query)
	if known, ok := x.asked.Get(key); !ok || known != e {
		return false
	}
	x.asked.Drop(key)
	x.missed.Put(key, e)
	e.settled = true
	return true
}

// Overdue gives up and tells every question that has waited for longer than wait.
func (x *Exchanges) Overdue(now event.Time, wait time.Duration, tell func(*Exchange)) {
	var late []*Exchange
	for e := range x.asked.All {
		if now.Sub(e.Last) < wait {
			break // put in the order of their first sending
		}
		late = append(late, e)
	}
	for _, e := range late {
		x.Miss(e)
		tell(e)
	}
}

// Doubt notes that answers were lost: whether a question that waits has got one is not
// known any more.
func (x *Exchanges) Doubt() {
	for e := range x.asked.All {
		e.Unsure = true
	}
}

// Waiting counts the questions to a server that were asked since and have no answer yet.
func (x *Exchanges) Waiting(id event.Netns, server netip.Addr, since event.Time) int {
	count := 0
	for e := range x.asked.All {
		q := &e.Query
		if q.Time > since && q.Netns == id && q.Server.Addr() == server {
			count++
		}
	}
	return count
}

// Strays counts answers that nobody asked for.
func (x *Exchanges) Strays() uint64 { return x.strays }

// Evicted counts questions that were pushed out while they were under way.
func (x *Exchanges) Evicted() uint64 { return x.asked.Evicted() }
