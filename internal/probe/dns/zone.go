// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Bounds of what is asked for one zone.
const (
	maxHosts     = 8
	maxAddresses = 12
	// perHost is how many addresses of one server are asked: one for each family.
	perHost = 2
)

// grace is how long the other resolvers are waited for after one has answered: a silent
// one must not hold up the rest, and which answers are used must not be a matter of
// microseconds.
const grace = 300 * time.Millisecond

// host is a server of a zone.
type host struct {
	name string
	addr netip.AddrPort
}

// zone is a zone with those of its servers that have an address.
type zone struct {
	name  string
	hosts []host
}

// finder finds the servers that speak for a name.
type finder struct {
	*asker
	// resolvers are asked for names of servers and their addresses.
	resolvers []netip.AddrPort
	// port is the one that servers of a zone listen at.
	port uint16
}

// poll asks every resolver at once and gives the answers that are usable, in the order of
// the resolvers.
func (f *finder) poll(ctx context.Context, q question, usable func(*message) bool) []*message {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type arrival struct {
		at      int
		message *message
	}
	arrivals := make(chan arrival, len(f.resolvers))
	for i, server := range f.resolvers {
		go func() { arrivals <- arrival{i, f.ask(ctx, server, q).message} }()
	}
	answers := make([]*message, len(f.resolvers))
	var enough <-chan time.Time
	for range f.resolvers {
		select {
		case a := <-arrivals:
			if a.message == nil || !usable(a.message) {
				continue
			}
			answers[a.at] = a.message
			if enough == nil {
				enough = time.After(grace)
			}
			continue
		case <-enough:
		}
		break
	}
	return slices.DeleteFunc(answers, func(m *message) bool { return m == nil })
}

// zones gives the zones that resolvers know of with the name in them, from the top down.
func (f *finder) zones(ctx context.Context, name string) []zone {
	names := ancestors(name)
	found := make([]zone, len(names))
	var all sync.WaitGroup
	for i, at := range names {
		all.Go(func() { found[i] = f.zone(ctx, at) })
	}
	all.Wait()
	return slices.DeleteFunc(found, func(z zone) bool { return len(z.hosts) == 0 })
}

func (f *finder) zone(ctx context.Context, name string) zone {
	q := question{name: name, kind: dnsmessage.TypeNS, recursive: true}
	answers := f.poll(ctx, q, func(m *message) bool { return len(m.final(q)) > 0 && len(m.chain(q)) == 1 })
	var servers, glue []record
	for _, m := range answers {
		servers = append(servers, m.final(q)...)
		glue = append(glue, m.more...)
	}
	return f.staff(ctx, name, servers, glue)
}

// staff gives a zone with the addresses of its servers: from the records that came along,
// else from the resolvers.
func (f *finder) staff(ctx context.Context, name string, servers, glue []record) zone {
	var names []string
	for _, r := range servers {
		if !slices.Contains(names, r.data) && len(names) < maxHosts {
			names = append(names, r.data)
		}
	}
	slices.Sort(names)
	lists := make([][]host, len(names))
	var all sync.WaitGroup
	for i, server := range names {
		all.Go(func() { lists[i] = f.addresses(ctx, server, glue) })
	}
	all.Wait()
	z := zone{name: name}
	for _, list := range lists {
		z.hosts = append(z.hosts, list...)
	}
	z.hosts = z.hosts[:min(len(z.hosts), maxAddresses)]
	return z
}

func (f *finder) addresses(ctx context.Context, server string, glue []record) []host {
	var records []record
	for _, r := range glue {
		if r.owner == server && r.addr.IsValid() {
			records = append(records, r)
		}
	}
	if len(records) == 0 {
		records = f.lookUp(ctx, server)
	}
	var list []host
	taken := map[dnsmessage.Type]bool{}
	for _, r := range records {
		if taken[r.kind] || len(list) >= perHost || !askable(r.addr) {
			continue
		}
		taken[r.kind] = true
		list = append(list, host{server, netip.AddrPortFrom(r.addr, f.port)})
	}
	return list
}

// lookUp asks the resolvers for the addresses of a server.
func (f *finder) lookUp(ctx context.Context, server string) []record {
	kinds := []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA}
	found := make([][]record, len(kinds))
	var all sync.WaitGroup
	for i, kind := range kinds {
		all.Go(func() {
			q := question{name: server, kind: kind, recursive: true}
			for _, m := range f.poll(ctx, q, func(m *message) bool { return m.code == "NOERROR" }) {
				found[i] = append(found[i], m.final(q)...)
			}
		})
	}
	all.Wait()
	return slices.Concat(found...)
}

// askable: an address that one host has. Whoever runs a zone writes into it what he
// likes.
func askable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
