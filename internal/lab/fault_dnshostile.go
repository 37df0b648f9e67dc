// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Hostile answers: how many a second, and for how long.
const (
	hostileRate = 10_000
	hostileFor  = 10 * time.Second
	// hostileLeast is what a busy machine, which plays all twins at once, must have sent.
	hostileLeast = 20_000
)

// hostile is a peer that sends whatever it likes from port 53.
func hostile() []Scenario {
	return []Scenario{{
		Name:    "dns-hostile",
		Summary: "10,000 random, mutated and malicious answers a second that nobody asked for",
		TwinOf:  "dns-stale", Views: []string{"client"}, window: hostileFor + time.Second,
		build: hostilePeer,
	}}
}

func hostilePeer(n *network) stage {
	s := buildStreet(n)
	z := newZone()
	z.set(service, 30, streetNew)
	honest := &app{resolver: stubOf(streetFirst), service: service}
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetFirst), n.serveAll(s.world, streetNew),
			honest.run(s.client, "lab-app", 10), s.pour()),
		proof: func(r reading) error {
			if err := atLeast("packets sent", r.Sent, hostileLeast); err != nil {
				return err
			}
			return atLeast("answered calls", r.OK, 20)
		},
	}
}

// pour sends the answers to a socket of the client's, which takes them all.
func (s street) pour() job {
	return func(ctx context.Context, m *meter) error {
		victim, err := s.listenAt(s.client, netip.MustParseAddrPort(streetClient+":40053"))
		if err != nil {
			return err
		}
		defer func() { _ = victim.Close() }()
		go func() { _, _ = io.Copy(io.Discard, victim) }() // until it is closed
		peer, err := s.listenAt(s.world, netip.AddrPortFrom(netip.MustParseAddr(streetSecond), dnsPort))
		if err != nil {
			return err
		}
		defer func() { _ = peer.Close() }()
		const interval = 5 * time.Millisecond
		malicious := newMalice()
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for begun := time.Now(); time.Since(begun) < hostileFor && ctx.Err() == nil; <-tick.C {
			for range hostileRate * int(interval) / int(time.Second) {
				if _, err := peer.WriteTo(malicious.answer(), victim.LocalAddr()); err == nil {
					m.send(1)
				}
			}
		}
		<-ctx.Done()
		return nil
	}
}

func (s street) listenAt(in *space, at netip.AddrPort) (conn *net.UDPConn, err error) {
	err = in.do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a socket in %s: %w", in.role, err)
	}
	return conn, nil
}

// malice makes answers that no resolver sends. Its dice are seeded, so that what one run
// sent can be sent again.
type malice struct {
	dice    *rand.Rand
	honest  []byte
	special [][]byte
	buffer  []byte
}

func newMalice() *malice {
	return &malice{dice: rand.New(rand.NewPCG(5, 3)), honest: honestAnswer(), special: specialAnswers()} //nolint:gosec // to be repeated, not to be secret
}

// answer gives the next one, valid until the next call.
func (m *malice) answer() []byte {
	switch m.dice.IntN(3) {
	case 0:
		return m.special[m.dice.IntN(len(m.special))]
	case 1:
		m.buffer = append(m.buffer[:0], m.honest...)
		for range 1 + m.dice.IntN(8) {
			m.buffer[m.dice.IntN(len(m.buffer))] = byte(m.dice.Uint32())
		}
		return m.buffer[:1+m.dice.IntN(len(m.buffer))]
	default:
		m.buffer = m.buffer[:0]
		for range 1 + m.dice.IntN(1200) {
			m.buffer = append(m.buffer, byte(m.dice.Uint32()))
		}
		return m.buffer
	}
}

// honestAnswer is what the mutated ones are made of.
func honestAnswer() []byte {
	a := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, Response: true, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(service + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
		Answers:   []dnsmessage.Resource{aliasRecord(service, record{ttl: 5, alias: "edge.cdn.test"})},
	}
	for i := range 20 {
		a.Answers = append(a.Answers, addressRecord("edge.cdn.test", 5, netip.AddrFrom4([4]byte{10, 63, 9, byte(i)})))
	}
	packed, err := a.Pack()
	if err != nil {
		return make([]byte, maxQuestion) // as good as any to be mutated
	}
	return packed
}

// specialAnswers are those that parsers and terminals have stumbled over: names that lead
// to themselves, names of 255 bytes, of escape sequences, and counts that lie.
func specialAnswers() [][]byte {
	header := func(questions, answers byte) []byte {
		return []byte{0, 7, 0x81, 0x80, 0, questions, 0, answers, 0, 0, 0, 0}
	}
	behind := []byte{0, 1, 0, 1}
	named := func(labels ...string) []byte {
		m := header(1, 0)
		for _, label := range labels {
			m = append(append(m, byte(len(label))), label...)
		}
		return append(append(m, 0), behind...)
	}
	long := strings.Repeat("x", 63)
	return [][]byte{
		append(append(header(1, 0), 0xc0, 12), behind...),
		append(append(header(1, 0), 1, 'a', 0xc0, 12), behind...),
		append(append(header(1, 0), 0xc0, 14, 0xc0, 12), behind...),
		append(append(header(1, 0), 0xc0, 0xff), behind...),
		named(long, long, long, long[:61]),
		named(long, long, long, long, long),
		named("\x1b]0;pwned\x07", "\x1b[2J\x1b[1;1H", "test"),
		named("a\nb\rc\x00d\u202e", `\032.`, "\xff\xfe"),
		append(header(1, 255), named("api", "test")[12:]...),
		append(header(255, 255), named("api", "test")[12:]...),
		header(0, 0), {}, {0},
	}
}
