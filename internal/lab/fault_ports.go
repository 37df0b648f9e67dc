// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/finding"
	"golang.org/x/sys/unix"
)

const (
	causeExhausted  = finding.Cause("ephemeral-ports-exhausted")
	causeRunningOut = finding.Cause("ephemeral-ports-running-out")
)

// portsExhausted is a client that makes a connection for each request and closes
// it first: each leaves a TIME_WAIT for 60 s that keeps its port from being used
// towards that server again.
func portsExhausted() []Scenario {
	fault := Scenario{
		Trap: finding.TimeWaitExhaustion, Cause: causeExhausted, Also: []finding.Cause{causeRunningOut},
		Views: []string{"client"}, budget: failureBudget,
	}
	four, loopbackOnly, six := fault, fault, fault
	four.Name = "ports-exhausted"
	four.Summary = "short connections fill a small port range with TIME_WAITs, tcp_tw_reuse off"
	four.build = exhaust(duoServer, "0")
	loopbackOnly.Name = "ports-exhausted-reuse2"
	loopbackOnly.Summary = "the same with tcp_tw_reuse=2, which helps on loopback only"
	loopbackOnly.build = exhaust(duoServer, "2")
	six.Name = "ports-exhausted-ipv6"
	six.Summary = "the same over IPv6"
	six.build = exhaust(duoServer6, "0")
	twin := Scenario{TwinOf: four.Name, Views: fault.Views}
	server, refused, elsewhere := twin, twin, twin
	server.Name = "ports-server"
	server.Summary = "a server that closes first holds hundreds of TIME_WAITs: they cost it no port"
	server.Views = []string{"server"}
	server.build = closingServer
	refused.Name = "connect-refused"
	refused.Summary = "hundreds of connections are refused: the ports are free again at once"
	refused.build = refusedConnects
	elsewhere.Name = "bind-elsewhere"
	elsewhere.Summary = "bind to an address that isn't on the host: EADDRNOTAVAIL, with all ports free"
	elsewhere.build = bindElsewhere
	return []Scenario{four, loopbackOnly, six, server, refused, elsewhere}
}

// exhaust makes 150 connections a second from 300 ports.
func exhaust(server, reuse string) func(*network) stage {
	return func(n *network) stage {
		d := buildDuo(n, 0)
		d.ports(n, 300, reuse)
		return stage{
			traffic: together(n.serve(d.server, answer, at(server)), d.shortCalls(server, 150)),
			proof: func(r reading) error {
				return atLeast("failed connects", r.count("EADDRNOTAVAIL"), 1)
			},
			judge: judgeFailure("EADDRNOTAVAIL", at(server), 300),
			heals: true,
		}
	}
}

// judgeFailure holds a finding of failed calls against the truth: they were this
// process's. The destination is "" where there is not one alone.
func judgeFailure(code, destination string, ports uint32) func(reading, *Result) []string {
	return func(_ reading, s *Result) []string {
		doc := s.first
		wrong := expect(nil, "the error", doc.Error.Code, code)
		wrong = expect(wrong, "the process", doc.Process.PID, uint32(os.Getpid()))
		if destination != "" {
			to := netip.AddrPortFrom(doc.Destination.IP, doc.Destination.Port)
			wrong = expect(wrong, "the destination", to.String(), destination)
		}
		if doc.Trapbpf.Ports == nil {
			return append(wrong, "the finding tells nothing of the ports")
		}
		s.note("told: process %d %q, range %s, %d in TIME_WAIT, %d live", doc.Process.PID, doc.Process.Name,
			doc.Trapbpf.Ports.Range, doc.Trapbpf.Ports.TimeWait, doc.Trapbpf.Ports.Live)
		return expect(wrong, "the number of ports", doc.Trapbpf.Ports.Size, ports)
	}
}

// shortCalls makes one connection a request, rate times a second, and notes the
// first that found no port.
func (d duo) shortCalls(server string, rate int) job {
	call := callTo(server)
	return inside(d.client, "lab-client", func(ctx context.Context, m *meter) error {
		pace(ctx, rate, rate*300, func() { m.attemptPort(call.call()) })
		return nil
	})
}

// attemptPort counts a try; a lack of ports is the symptom.
func (m *meter) attemptPort(err error) {
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EADDRINUSE) {
		m.strike()
	}
	m.attempt(err)
}

func callTo(server string) caller {
	return caller{to: netip.MustParseAddrPort(at(server)), within: patience}
}

// closingServer is called 100 times a second and closes each connection first.
func closingServer(n *network) stage {
	d := buildDuo(n, 0)
	d.ports(n, 20000, "0")
	// A small range on the server too: its TIME_WAITs sit on port 8080, outside.
	n.sysctl(d.server, "20000 20299", "ipv4", "ip_local_port_range")
	call := callTo(duoServer)
	client := inside(d.client, "lab-client", func(ctx context.Context, m *meter) error {
		pace(ctx, 100, 6000, func() {
			fd, err := call.dial()
			if err == nil {
				err = errors.Join(ask(fd, patience), hangUp(fd, patience))
			}
			m.attempt(err)
		})
		return nil
	})
	return stage{
		traffic: together(n.serve(d.server, answerAndClose, at(duoServer)), client),
		proof: func(r reading) error {
			held, err := d.server.timeWaits()
			return errors.Join(err, atLeast("TIME_WAITs at the server", held, 300))
		},
	}
}

// refusedConnects has no server at the other end.
func refusedConnects(n *network) stage {
	d := buildDuo(n, 0)
	d.ports(n, 300, "0")
	call := callTo(duoServer)
	return stage{
		traffic: inside(d.client, "lab-client", func(ctx context.Context, m *meter) error {
			pace(ctx, 150, 6000, func() { m.attempt(call.call()) })
			return nil
		}),
		proof: func(r reading) error { return atLeast("refused connects", r.count("ECONNREFUSED"), 400) },
	}
}

// bindElsewhere asks for an address of somebody else, by bind() with port 0.
func bindElsewhere(n *network) stage {
	d := buildDuo(n, 0)
	call := callTo(duoServer)
	call.from = netip.MustParseAddr("10.62.0.99")
	return stage{
		traffic: inside(d.client, "lab-client", func(ctx context.Context, m *meter) error {
			pace(ctx, 50, 6000, func() { m.attempt(call.call()) })
			return nil
		}),
		proof: func(r reading) error { return atLeast("failed binds", r.count("EADDRNOTAVAIL"), 100) },
	}
}

// timeWaits counts a namespace's IPv4 TIME_WAIT sockets.
func (s *space) timeWaits() (uint64, error) {
	const timeWaitState = " 06 "
	text, err := s.readNet("tcp")
	if err != nil {
		return 0, err
	}
	return uint64(strings.Count(text, timeWaitState)), nil
}
