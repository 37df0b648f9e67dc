// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"net/netip"

	"github.com/trapbpf/trapbpf/pkg/finding"
	"golang.org/x/sys/unix"
)

// upstreams is how many servers the proxy spreads its connections over.
const upstreams = 8

// bindPool is a proxy that binds its source address before it connects: the kernel
// then has to pick a port without knowing the destination, and one range serves
// all destinations together.
func bindPool() []Scenario {
	fault := Scenario{
		Name: "bind-pool", Summary: "a proxy binds its address before it connects: one port range for 8 upstreams together",
		Trap: finding.TimeWaitExhaustion, Cause: "bind-pool-exhausted",
		Views: []string{"client"}, budget: failureBudget,
		build: bindBeforeConnect,
	}
	twin := Scenario{
		Name: "bind-busy", Summary: "bind to a port in use fails, and late binding spends no pool",
		TwinOf: fault.Name, Views: fault.Views, build: bindBusy,
	}
	return []Scenario{fault, twin}
}

func upstreamCalls(late bool) []caller {
	var calls []caller
	for i := range upstreams {
		call := callTo(duoExtra(i))
		call.from, call.late = netip.MustParseAddr(duoClient), late
		calls = append(calls, call)
	}
	return calls
}

func upstreamServers(n *network, d duo) job {
	var addrs []string
	for i := range upstreams {
		addrs = append(addrs, at(duoExtra(i)))
	}
	return n.serve(d.server, answer, addrs...)
}

// bindBeforeConnect wants 600 connections, 75 to each upstream, out of 300 ports.
func bindBeforeConnect(n *network) stage {
	d := buildDuo(n, upstreams)
	d.ports(n, 300, "0")
	proxy := &pool{calls: upstreamCalls(false), size: 600}
	proxy.manners = func(p *pool) { p.calls = upstreamCalls(true) }
	return stage{
		traffic: together(upstreamServers(n, d), proxy.run(d.client, "lab-proxy", 150)),
		proof:   func(r reading) error { return atLeast("failed binds", r.count("EADDRINUSE"), 1) },
		judge:   judgeFailure("EADDRINUSE", "", 300),
		obey:    func() { proxy.reformed.Store(true) },
		again:   func() { proxy.restarted.Store(true) },
		heals:   true,
	}
}

// bindBusy binds to a port that has an owner, beside a proxy that does it right and
// has more connections than the range has ports.
func bindBusy(n *network) stage {
	d := buildDuo(n, upstreams)
	d.ports(n, 300, "0")
	proxy := &pool{calls: upstreamCalls(true), size: 600, atOnce: true}
	busy := netip.MustParseAddrPort(at(duoClient))
	return stage{
		traffic: together(upstreamServers(n, d), proxy.run(d.client, "lab-proxy", 150),
			n.serve(d.client, answer, busy.String()), bindTo(d.client, busy)),
		proof: func(r reading) error {
			return errors.Join(atLeast("failed binds", r.count("EADDRINUSE"), 100),
				atLeast("late-bound connections", r.OK, 600))
		},
	}
}

// bindTo binds to one port over and over.
func bindTo(s *space, addr netip.AddrPort) job {
	return inside(s, "lab-client", func(ctx context.Context, m *meter) error {
		pace(ctx, 50, 6000, func() {
			fd, err := tcpSocket(addr.Addr())
			if err != nil {
				m.attempt(err)
				return
			}
			defer unix.Close(fd)
			m.attempt(unix.Bind(fd, socketAddress(addr)))
		})
		return nil
	})
}
