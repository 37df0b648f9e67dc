// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"sync/atomic"
	"time"

	"github.com/google/nftables"
)

// pmtudTwins are the same paths with their errors in order.
func pmtudTwins() []Scenario {
	twin := Scenario{TwinOf: "pmtud-inbound", Views: []string{viewAll, "client", "router"}, window: 6 * time.Second}
	four, six, udp := twin, twin, twin
	four.Name = "pmtud-healthy"
	four.Summary = "the router tells the path's MTU, and the client obeys"
	four.build = healthyUpload(false)
	six.Name = "pmtud-healthy-ipv6"
	six.Summary = "the same over IPv6"
	six.build = healthyUpload(true)
	udp.Name = "pmtud-healthy-udp"
	udp.Summary = "a program whose datagrams may not be fragmented is told what fits, and obeys"
	udp.build = healthyDatagrams(false)
	udp6 := udp
	udp6.Name = "pmtud-healthy-udp-ipv6"
	udp6.Summary = "the same over IPv6"
	udp6.build = healthyDatagrams(true)
	quic, limited, deaf := twin, twin, twin
	quic.Name = "pmtud-quic"
	quic.Summary = "a program that passes over routers' words finds what fits by itself, as QUIC does"
	quic.build = quicDatagrams
	limited.Name = "pmtud-limited"
	limited.Summary = "the router's firewall lets one ICMP error a second leave: the first of each flight is enough"
	limited.TwinOf = "pmtud-outbound"
	limited.build = limitedErrors("router")
	deaf.Name, deaf.Risk = "pmtud-limited-inbound", causeDroppedInbound
	deaf.Summary = "the same limit where the errors come in"
	deaf.build = limitedErrors("client")
	return []Scenario{four, six, udp, udp6, quic, limited, deaf}
}

func healthyUpload(six bool) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		w.narrow(n, narrowMTU)
		w.even(n, narrowMTU)
		s := w.upload(n)
		s.proof = func(r reading) error {
			drops, err := w.router.tooLarge(six)
			if err != nil {
				return err
			}
			if err := atLeast("packets that were too big", drops, 1); err != nil {
				return err
			}
			return atLeast("uploads", r.OK, 10)
		}
		return s
	}
}

func healthyDatagrams(six bool) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		w.narrow(n, narrowMTU)
		w.even(n, narrowMTU)
		return stage{
			traffic: together(n.echo(w.server, w.web()), datagrams(w, 1450)),
			proof: func(r reading) error {
				if err := atLeast("refusals", r.count("EMSGSIZE"), 1); err != nil {
					return err
				}
				return atLeast("answers", r.OK, 10)
			},
		}
	}
}

func quicDatagrams(n *network) stage {
	w := buildWay(n, false)
	w.narrow(n, narrowMTU)
	w.even(n, narrowMTU)
	return stage{
		traffic: together(n.echo(w.server, w.web()), prober(w, 1450, 3, new(atomic.Bool))),
		proof: func(r reading) error {
			if err := w.proofTooLarge(func() (uint64, error) { return w.router.tooLarge(false) })(r); err != nil {
				return err
			}
			return atLeast("answers", r.OK, 10)
		},
	}
}

// limitedErrors is a healthy upload whose errors are dropped but for one a second.
func limitedErrors(role string) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, false)
		w.narrow(n, narrowMTU)
		w.even(n, narrowMTU)
		space, hook := w.client, nftables.ChainHookInput
		if role == w.router.role {
			space, hook = w.router, nftables.ChainHookOutput
		}
		limit := n.drop(space, "limit", hook, append(tooBig(false), overOneASecond()))
		s := w.upload(n)
		s.proof = func(r reading) error {
			if err := limit.proof(r); err != nil {
				return err
			}
			return atLeast("uploads", r.OK, 10)
		}
		return s
	}
}
