// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const causeStale = finding.Cause("stale-answer")

// service is the name that the street's programs look for.
const service = "api.shop.test"

// nameBudget is the promise from the deciding packet of a DNS fault to its record.
const nameBudget = time.Second

// staleAnswer is a program that resolves when it starts and dials that for ever, while
// the name goes elsewhere.
func staleAnswer() []Scenario {
	fault := Scenario{
		Trap: finding.DNSCaching, Cause: causeStale,
		Views: []string{"client"}, budget: nameBudget,
	}
	four, six, datagrams, stream, removed := fault, fault, fault, fault, fault
	four.Name = "dns-stale"
	four.Summary = "a program dials the address that its name had when it started"
	four.build = move{old: streetOld, new: streetNew, resolver: streetFirst}.build
	six.Name = "dns-stale-ipv6"
	six.Summary = "the same over IPv6: resolver, record and connection"
	six.build = move{old: streetOld6, new: streetNew6, resolver: streetFirst6}.build
	datagrams.Name = "dns-stale-udp"
	datagrams.Summary = "the same with connected UDP sockets"
	datagrams.build = move{old: streetOld, new: streetNew, resolver: streetFirst, datagrams: true}.build
	stream.Name = "dns-stale-tcp"
	stream.Summary = "the same with a resolver that is asked over TCP, and an alias that leads to the address"
	stream.build = move{old: streetOld, new: streetNew, resolver: streetFirst, network: "tcp", alias: "blue.shop.test"}.build
	removed.Name = "dns-removed"
	removed.Summary = "the same, while another name that had the address is gone: nobody can mean that one"
	removed.build = move{old: streetOld, new: streetNew, resolver: streetFirst, beside: "static.shop.test"}.build
	return append([]Scenario{four, six, datagrams, stream, removed}, staleTwins(four.Name, fault.Views)...)
}

// move is a service that moves from one address to another.
type move struct {
	old, new, resolver string
	datagrams          bool
	// network is what the resolver is asked by, "" for UDP.
	network string
	// alias is the canonical name that has the address, beside another name that has the old
	// address as well until it is removed; "" for none.
	alias, beside string
}

// movedAfter is when the record changes: the answers before hold for movedTTL.
const (
	movedAfter = 2500 * time.Millisecond
	movedTTL   = 2
)

func (v move) build(n *network) stage {
	s := buildStreet(n)
	z := newZone()
	v.point(z, v.old)
	resolver := newCache(s.world, streetZone)
	stub := stubOf(v.resolver)
	if v.network != "" {
		stub.network = v.network
	}
	var seen, alone atomic.Bool
	var late atomic.Uint64
	old := netip.MustParseAddr(v.old)
	stays := &app{resolver: stub, service: service, keeps: true, datagrams: v.datagrams}
	stays.each = func(m *meter, to netip.Addr) {
		if seen.Load() && alone.Load() && to == old {
			m.strike()
			late.Add(1)
		}
	}
	follows := &app{resolver: stub, service: service, datagrams: v.datagrams}
	follows.each = func(_ *meter, to netip.Addr) { seen.Store(to != old) }
	serve, away := v.servers(n, s)
	return stage{
		traffic: together(
			n.serveDNS(s.world, z.reply, streetZone), n.serveDNS(s.world, resolver.reply, v.resolver), serve,
			after(movedAfter, func() {
				v.point(z, v.new)
				away()
			}),
			stays.run(s.client, "lab-app", 5), unmeasured(follows.run(s.client, "lab-other", 4)), v.others(s, stub, &alone)),
		proof: func(reading) error { return atLeast("calls to the old address after its time", late.Load(), 1) },
		obey:  func() { stays.reformed.Store(true) },
		judge: v.judge,
		heals: true,
	}
}

// point gives the service its address, and takes another name's away once it moves.
func (v move) point(z *zone, to string) {
	name := service
	if v.alias != "" {
		z.alias(service, movedTTL, v.alias)
		name = v.alias
	}
	z.set(name, movedTTL, to)
	if v.beside == "" {
		return
	}
	if to == v.old {
		z.set(v.beside, movedTTL, to)
	} else {
		z.remove(v.beside)
	}
}

// others asks for the name beside, where there is one, and sets alone once nobody can
// mean that any more: it was denied for a second.
func (v move) others(s street, resolver stub, alone *atomic.Bool) job {
	if v.beside == "" {
		alone.Store(true)
		return together()
	}
	return unmeasured(inside(s.client, "lab-beside", func(ctx context.Context, _ *meter) error {
		var denied time.Time
		pace(ctx, 4, 1200, func() {
			_, err := resolver.addresses(v.beside)
			if errors.Is(err, errDenied) && denied.IsZero() {
				denied = time.Now()
			}
			alone.Store(!denied.IsZero() && time.Since(denied) > time.Second)
		})
		return nil
	}))
}

// servers gives the service at both addresses; move takes it away from the old one.
func (v move) servers(n *network, s street) (serve job, move func()) {
	gone := make(chan struct{})
	one := func(addr string) job {
		if v.datagrams {
			return n.serveDatagrams(s.world, netip.MustParseAddrPort(at(addr)), echo)
		}
		return n.serve(s.world, answer, at(addr))
	}
	return together(until(gone, one(v.old)), one(v.new)), func() { close(gone) }
}

func echo(datagram []byte) []byte { return datagram }

func (v move) judge(_ reading, s *Result) []string {
	doc := s.first
	if doc.Trapbpf.DNS == nil {
		return []string{"the finding tells nothing of the name"}
	}
	wrong := expect(nil, "the status", doc.Trapbpf.Status, finding.Confirmed)
	wrong = expect(wrong, "the name", doc.DNS.Question.Name, service)
	wrong = expect(wrong, "the old address", doc.Trapbpf.DNS.StaleIP, v.old)
	wrong = expect(wrong, "the current address", fmt.Sprint(doc.Trapbpf.DNS.CurrentIP), "["+v.new+"]")
	// The process, not its thread, whose name the evidence has.
	return expect(wrong, "the program's process", doc.Process.PID, uint32(os.Getpid()))
}
