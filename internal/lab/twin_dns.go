// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// nameTwins are programs and resolvers whose ways look like faults.
func nameTwins() []Scenario {
	raced := Scenario{TwinOf: "dns-silent", Views: []string{"client"}}
	absent := Scenario{TwinOf: "dns-ndots", Views: []string{"client"}}
	forwards := Scenario{TwinOf: "dns-ndots", Views: []string{"world"}}
	raced.Name = "dns-raced"
	raced.Summary = "two resolvers are asked at once, as musl does: nobody waits for the slower one's answer"
	raced.build = racedResolvers
	absent.Name = "dns-absent"
	absent.Summary = "a name that does not exist is asked for again and again, and each time with the search list after it"
	absent.build = absentName
	forwards.Name = "dns-forwarder"
	forwards.Summary = "a resolver, seen alone, passes on what a search list of its clients makes of each name"
	forwards.build = forwardedSearch
	return []Scenario{raced, absent, forwards}
}

// slowerBy is how long after the first resolver the second answers.
const slowerBy = 60 * time.Millisecond

func racedResolvers(n *network) stage {
	s := buildStreet(n)
	z := clusterZone()
	slow := func(q *dnsmessage.Message) *dnsmessage.Message {
		<-time.After(slowerBy)
		return z.reply(q)
	}
	next := 0
	client := inside(s.client, "lab-musl", func(ctx context.Context, m *meter) error {
		pace(ctx, 10, 3000, func() {
			next++
			m.attempt(race(outside()[next%len(outside())], uint16(next), streetSecond, streetFirst))
		})
		return nil
	})
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetFirst), n.serveDNS(s.world, slow, streetSecond), client),
		proof:   func(r reading) error { return atLeast("lookups", r.OK, 50) },
	}
}

// race puts one question to several servers from one socket and takes the first answer.
func race(name string, id uint16, servers ...string) error {
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return fmt.Errorf("make socket: %w", err)
	}
	defer func() { _ = conn.Close() }()
	packed, err := question(id, name, dnsmessage.TypeA)
	if err != nil {
		return err
	}
	for _, server := range servers {
		if _, err := conn.WriteToUDPAddrPort(packed, stubOf(server).server); err != nil {
			return fmt.Errorf("ask: %w", err)
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	if _, _, err := conn.ReadFromUDPAddrPort(make([]byte, maxQuestion)); err != nil {
		return errNoAnswer
	}
	return nil
}

func absentName(n *network) stage {
	s := buildStreet(n)
	conf := strings.ReplaceAll(clusterConf, "ndots:5", "ndots:1")
	var tries atomic.Uint64
	each := func(*meter, string) { tries.Add(1) }
	return stage{
		traffic: together(n.serveDNS(s.world, clusterZone().reply, streetFirst),
			s.client.lookups(Lookups{ResolvConf: conf, Names: []string{"old.shop.test", "older.shop.test"}, Rate: 4}, each)),
		proof: func(reading) error { return atLeast("lookups", tries.Load(), 20) },
	}
}

func forwardedSearch(n *network) stage {
	s := buildStreet(n)
	resolver := newCache(s.world, streetZone)
	program := &searcher{resolver: stubOf(streetFirst), search: strings.Fields(clusterSearch)}
	next := 0
	client := inside(s.client, "lab-static", func(ctx context.Context, m *meter) error {
		pace(ctx, 5, 1500, func() {
			next++
			err := program.lookup(outside()[next%len(outside())])
			resolver.flush() // each lookup is passed on
			m.attempt(err)
		})
		return nil
	})
	return stage{
		traffic: together(n.serveDNS(s.world, clusterZone().reply, streetZone), n.serveDNS(s.world, resolver.reply, streetFirst), client),
		proof:   func(r reading) error { return atLeast("lookups", r.OK, 20) },
	}
}
