// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// impatience is how long a client waits for an answer before it closes and asks
// anew: longer than a confirmation takes, and what a fix does is for new connections.
const impatience = 8 * time.Second

// mtuReceiver is a client that waits for answers whose large packets are swallowed.
func mtuReceiver() []Scenario {
	fault := Scenario{
		Name: "mtu-receiver", Summary: "the server answers, a router swallows packets over 1400 bytes, and the client waits",
		Trap: finding.MTUBlackhole, Cause: causeDropsInbound,
		Views: []string{"client"}, budget: suspectBudget, sure: confirmBudget,
		build: swallowedReply(false),
	}
	six, secure := fault, fault
	six.Name = "mtu-receiver-ipv6"
	six.Summary = "the same over IPv6"
	six.build = swallowedReply(true)
	secure.Name = "mtu-tls"
	secure.Summary = "TLS connections open and never get the server's certificates"
	secure.build = swallowedCertificates(false)
	secure6 := secure
	secure6.Name = "mtu-tls-ipv6"
	secure6.Summary = "the same over IPv6"
	secure6.build = swallowedCertificates(true)
	healthy := Scenario{
		Name: "mtu-tls-healthy", Summary: "the same certificates over a path that carries them",
		TwinOf: secure.Name, Views: []string{viewAll, "client"}, window: 5 * time.Second,
		build: healthyCertificates,
	}
	return []Scenario{fault, six, secure, secure6, healthy}
}

func swallowedReply(six bool) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		pull := transfers{to: w.web(), large: order{down: replySize}, within: impatience, pause: 50 * time.Millisecond}
		return w.waiting(n, together(n.serve(w.server, trade, w.web().String()), pull.run(w.client, "lab-download")))
	}
}

// waiting is traffic towards the client that a router swallows.
func (w way) waiting(n *network, traffic job) stage {
	hole := w.swallow(n)
	return stage{traffic: together(traffic, hole.watch), proof: hole.proof, judge: judgeSizes(narrowMTU), heals: true}
}

func swallowedCertificates(six bool) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		return w.waiting(n, w.handshakes(n))
	}
}

func healthyCertificates(n *network) stage {
	w := buildWay(n, false)
	return stage{
		traffic: w.handshakes(n),
		proof:   func(r reading) error { return atLeast("handshakes", r.OK, 10) },
	}
}

// handshakes is a TLS server with a chain of certificates, and a client that opens
// one connection after the other.
func (w way) handshakes(n *network) job {
	chain, err := newChain()
	if err != nil {
		n.fail(err)
		return together()
	}
	server := &tls.Config{Certificates: []tls.Certificate{chain.certificate}, MinVersion: tls.VersionTLS13}
	client := &tls.Config{
		RootCAs: chain.roots, ServerName: chainName, MinVersion: tls.VersionTLS13,
		// The greeting of the newest key exchanges is too large for the path itself.
		CurvePreferences: []tls.CurveID{tls.X25519},
	}
	serve := n.serve(w.server, func(conn net.Conn) {
		trade(tls.Server(conn, server))
	}, w.web().String())
	return together(serve, inside(w.client, "lab-tls", func(ctx context.Context, m *meter) error {
		for ctx.Err() == nil {
			m.attempt(w.handshake(ctx, client))
			wait(ctx, 100*time.Millisecond)
		}
		return nil
	}))
}

func (w way) handshake(ctx context.Context, config *tls.Config) error {
	conn, err := dialFrom(ctx, w.web())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(impatience)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("shake hands: %w", err)
	}
	return exchange(secure, order{down: smallSize}, patience)
}
