// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"net/netip"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// A search list makes one getaddrinfo() ask NAME.suffix1, NAME.suffix2 and so on before
// NAME itself, where NAME has fewer dots than ndots (resolv.conf(5)). Everything that
// one process asked in vain before NAME belongs to that one lookup.
const (
	// lookupSpan is how long one lookup may take: the timeouts of a resolver that is slow
	// on every suffix included.
	lookupSpan = 10 * time.Second
	// sameLookup is how long after NAME was asked another question about it, of the other
	// address family, is the same lookup's.
	sameLookup = 5 * time.Second
	maxMisses  = 64
	maxBases   = 8
)

// askerKey is a process, or where that is not known an address that asks.
type askerKey struct {
	netns  event.Netns
	pid    uint32
	client netip.Addr
}

func askerOf(q *event.DNSQuery) askerKey {
	if q.Owner.PID != 0 {
		return askerKey{netns: q.Netns, pid: q.Owner.PID}
	}
	return askerKey{netns: q.Netns, client: q.Client.Addr()}
}

// asker is what one process asked in vain lately, and which names it came to.
type asker struct {
	misses []miss
	bases  []baseName
}

// miss is a name that does not exist, with the questions that it took to learn it.
type miss struct {
	name            string
	asked, answered event.Time
	queries         int
}

// baseName is a name that a lookup came to in the end.
type baseName struct {
	name string
	at   event.Time
	// kind is the type that was asked for first: each lookup asks for it once.
	kind string
}

// lookup is one expansion.
type lookup struct {
	name     string
	at       event.Time
	suffixes []string
	wasted   int
	lost     time.Duration
	// absent is true where the name itself was denied before.
	absent bool
}

func (d *Detector) asker(key askerKey) *asker {
	a, ok := d.askers.Get(key)
	if !ok {
		a = &asker{}
	}
	d.askers.Put(key, a)
	return a
}

// denied notes a name that does not exist.
func (d *Detector) denied(x *flow.Exchange, answer *event.DNSAnswer, desk trap.Desk) {
	a := d.asker(askerOf(&x.Query))
	for i := range a.misses {
		m := &a.misses[i]
		if m.name == answer.Name && answer.Time.Sub(m.asked) < lookupSpan {
			m.queries++
			m.answered = max(m.answered, answer.Time)
			return
		}
	}
	if len(a.misses) >= maxMisses {
		a.misses = append(a.misses[:0], a.misses[1:]...)
	}
	a.misses = append(a.misses, miss{answer.Name, x.Query.Time, answer.Time, 1})
	if pid := x.Query.Owner.PID; pid != 0 && desk.Facts().Resolver(pid) == nil && d.expanding(x.Query.Netns, x.Query.Owner.Comm) == nil {
		desk.Want(event.Want{Of: event.KindResolver, Netns: x.Query.Netns, PID: pid})
	}
}

// searching sees a question: is it what a search list comes to in the end?
func (d *Detector) searching(q *event.DNSQuery, desk trap.Desk) {
	if !strings.Contains(q.Name, ".") { // a single label goes by the search list everywhere
		return
	}
	a := d.asker(askerOf(q))
	if l, ok := a.comesTo(q); ok {
		a.remember(q)
		g := d.expansion(q)
		g.add(l)
		g.ask(q.Owner, desk)
		g.judge(q.Time, desk)
		return
	}
	g := d.expanding(q.Netns, q.Owner.Comm)
	if g == nil {
		return
	}
	if again, own := a.again(q); own {
		g.follow(again)
		return
	}
	g.plain(q)
}

// comesTo takes the misses that belong to a name out of what the asker remembers.
func (a *asker) comesTo(q *event.DNSQuery) (lookup, bool) {
	l := lookup{name: q.Name, at: q.Time}
	var begun, ended event.Time
	own := a.missed(q.Name)
	kept := a.misses[:0]
	for _, m := range a.misses {
		if q.Time.Sub(m.asked) >= lookupSpan {
			continue
		}
		suffix, ok := strings.CutPrefix(m.name, q.Name+".")
		if !ok {
			kept = append(kept, m)
			continue
		}
		l.suffixes = append(l.suffixes, suffix)
		l.wasted += m.queries
		if begun == 0 || m.asked < begun {
			begun = m.asked
		}
		ended = max(ended, m.answered)
	}
	a.misses = kept
	l.lost = ended.Sub(begun)
	l.absent = own != nil
	if own != nil && begun.Sub(own.answered) < q.Time.Sub(ended) {
		return l, false // they followed the name, in a lookup before
	}
	return l, len(l.suffixes) > 0
}

// missed gives the denial of a name itself, nil where there was none. A name that does
// not exist goes through the search list whatever ndots says, but after it was asked for.
func (a *asker) missed(name string) *miss {
	for _, m := range a.misses {
		if m.name == name {
			return &m
		}
	}
	return nil
}

func (a *asker) remember(q *event.DNSQuery) {
	for i := range a.bases {
		if a.bases[i].name == q.Name {
			a.bases[i] = baseName{q.Name, q.Time, q.Type}
			return
		}
	}
	if len(a.bases) >= maxBases {
		a.bases = append(a.bases[:0], a.bases[1:]...)
	}
	a.bases = append(a.bases, baseName{q.Name, q.Time, q.Type})
}

// again tells whether a question belongs to a lookup that came to its name already, and
// whether it is another lookup beside it: of a second thread, whose misses the first
// one's took.
func (a *asker) again(q *event.DNSQuery) (another, own bool) {
	for i := range a.bases {
		b := &a.bases[i]
		if b.name == q.Name && q.Time.Sub(b.at) < sameLookup {
			return b.kind == q.Type, true
		}
	}
	return false, false
}
