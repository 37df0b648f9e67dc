// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// maxDepth bounds how many delegations are followed.
	maxDepth = 12
	// scouts is how many servers of a zone are asked to learn which way it goes on: of
	// the root's and a top-level domain's there are dozens.
	scouts = 3
	// maxTargets bounds how many aliases are followed from zone to zone.
	maxTargets = 4
)

// authority is a server of a zone, and what it said.
type authority struct {
	host
	zone string
	// second: it was asked before.
	second bool
	reply  *reply
}

// speaks tells whether the server gave the zone's own answer.
func (a *authority) speaks() bool {
	return a.reply.answered() && a.reply.message.authoritative && len(referral(a.zone, a.reply)) == 0
}

// has tells whether the server gave records, be it with or without authority. Without,
// nothing but records counts: many a server says "nothing" for zones that it does not have.
func (a *authority) has() bool {
	return a.reply.answered() && len(a.reply.message.set(a.reply.asked.name, a.reply.asked.kind)) > 0
}

// authorities asks the servers that speak for a name, and where the name is an alias,
// those that speak for what it leads to.
func (f *finder) authorities(ctx context.Context, q question) []*authority {
	q.recursive = false
	var all []*authority
	asked := map[string]bool{}
	for range maxTargets {
		found := f.about(ctx, q)
		all = append(all, found...)
		asked[q.name] = true
		next, ok := target(found)
		if !ok || asked[next] {
			break
		}
		q.name = next
	}
	return all
}

// target gives the name that authoritative answers lead to without saying what it has.
func target(found []*authority) (string, bool) {
	for _, a := range found {
		if !a.speaks() {
			continue
		}
		m := a.reply.message
		names := m.chain(a.reply.asked)
		last := names[len(names)-1]
		if len(names) > 1 && len(m.final(a.reply.asked)) == 0 && !within(last, a.zone) {
			return last, true
		}
	}
	return "", false
}

// about walks down from every zone with the name in it that a resolver knows of, or
// from the root. Walks from different zones may end at different servers: a delegation
// that was changed, or a zone that has an inner and an outer side.
func (f *finder) about(ctx context.Context, q question) []*authority {
	tops := f.zones(ctx, q.name)
	if len(tops) == 0 {
		tops = []zone{f.root()}
	}
	walks := make([][]*authority, len(tops))
	var all sync.WaitGroup
	for i, top := range tops {
		all.Go(func() { walks[i] = f.walk(ctx, top, q) })
	}
	all.Wait()
	return merge(walks)
}

// merge drops walks that came to nothing where another ended well, and servers that were
// asked twice. The walk from the highest zone comes first.
func merge(walks [][]*authority) []*authority {
	var ended, stuck []*authority
	for _, walk := range walks {
		switch {
		case slices.ContainsFunc(walk, (*authority).speaks):
			ended = add(ended, walk)
		case len(walk) > 0 && (len(stuck) == 0 || depth(walk[0].zone) >= depth(stuck[0].zone)):
			stuck = walk
		}
	}
	if len(ended) > 0 {
		return ended
	}
	return stuck
}

func add(list, more []*authority) []*authority {
	for _, a := range more {
		if !slices.ContainsFunc(list, func(b *authority) bool { return a.addr == b.addr && a.reply.asked == b.reply.asked }) {
			list = append(list, a)
		}
	}
	return list
}

// walk follows delegations from a zone to the servers that answer for the name, and
// gives what all of these say. Where it gets stuck below the root it gives the servers
// at which it did.
func (f *finder) walk(ctx context.Context, at zone, q question) []*authority {
	for range maxDepth {
		seen := f.askHosts(ctx, at, at.hosts[:min(scouts, len(at.hosts))], q)
		down, ok := f.descend(ctx, at, seen)
		if ok {
			at = down
			continue
		}
		rest := at.hosts[min(scouts, len(at.hosts)):]
		if at.name == "." && !slices.ContainsFunc(seen, (*authority).speaks) {
			return nil // the root is out of reach: that is no news
		}
		return reached(append(seen, f.askHosts(ctx, at, rest, q)...))
	}
	return nil
}

// reached leaves out servers of an address family that this host has no way for, while
// others of the zone answer.
func reached(all []*authority) []*authority {
	if !slices.ContainsFunc(all, func(a *authority) bool { return a.reply.message != nil }) {
		return all
	}
	return slices.DeleteFunc(all, func(a *authority) bool { return errors.Is(a.reply.err, errNoWay) })
}

func (f *finder) askHosts(ctx context.Context, at zone, hosts []host, q question) []*authority {
	found := make([]*authority, len(hosts))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() { found[i] = &authority{host: h, zone: at.name, reply: f.ask(ctx, h.addr, q)} })
	}
	all.Wait()
	return found
}

// descend gives the zone below that the servers refer to, false where they answer
// themselves.
func (f *finder) descend(ctx context.Context, at zone, seen []*authority) (zone, bool) {
	if slices.ContainsFunc(seen, (*authority).speaks) {
		return zone{}, false
	}
	for _, a := range seen {
		servers := referral(at.name, a.reply)
		if len(servers) == 0 {
			continue
		}
		below := f.staff(ctx, servers[0].owner, servers, glueFor(at.name, a.reply.message.more))
		if len(below.hosts) > 0 {
			return below, true
		}
	}
	return zone{}, false
}

// referral gives the servers that a zone's server delegates the name to. A delegation
// leads down, towards the name, or is none: else a hostile zone could lead anywhere.
func referral(from string, r *reply) []record {
	m := r.message
	if m == nil || m.code != "NOERROR" || len(m.answers) > 0 {
		return nil
	}
	var servers []record
	for _, ns := range m.authority {
		down := ns.kind == dnsmessage.TypeNS && within(ns.owner, from) && ns.owner != from && within(r.asked.name, ns.owner)
		if down && (len(servers) == 0 || servers[0].owner == ns.owner) {
			servers = append(servers, ns)
		}
	}
	return servers
}

// glueFor keeps the addresses that a zone may speak of: those of names in it.
func glueFor(zone string, more []record) []record {
	return slices.DeleteFunc(slices.Clone(more), func(r record) bool { return !within(r.owner, zone) })
}
