// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/google/nftables"
)

// mtuTwins are transfers that stall for reasons that have nothing to do with sizes.
func mtuTwins() []Scenario {
	twin := Scenario{TwinOf: "mtu-sender", Views: []string{viewAll, "client"}, window: 10 * time.Second}
	unplugged, loss, heavy, closed := twin, twin, twin, twin
	unplugged.Name = "mtu-unplugged"
	unplugged.Summary = "the server is unplugged in the middle of an upload: small packets fail as well"
	unplugged.build = unpluggedUpload
	loss.Name = "mtu-random-loss"
	loss.Summary = "15% of all packets are lost, whatever their size"
	loss.build = lossyUpload(15, 20)
	heavy.Name = "mtu-heavy-loss"
	heavy.Summary = "30% of all packets are lost, whatever their size"
	heavy.build = lossyUpload(30, 3)
	closed.Name = "mtu-zero-window"
	closed.Summary = "the server does not read, and later reads slowly"
	closed.build = slowUpload
	return []Scenario{unplugged, loss, heavy, closed}
}

// steady is a client that sends all the time over one connection, as fast as size
// bytes each 50 ms.
func steady(w way, size int) job {
	return inside(w.client, "lab-upload", func(ctx context.Context, m *meter) error {
		conn, err := dialFrom(ctx, w.web())
		if err != nil {
			return err
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
		piece := make([]byte, size)
		pace(ctx, 20, 20*600, func() {
			n, _ := conn.Write(piece) // blocks while the peer does not take it
			m.send(n / wideMTU)
		})
		return nil
	})
}

// discard is a server that reads all it gets.
func discard(conn net.Conn) {
	buffer := make([]byte, 1<<16)
	for {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
}

func unpluggedUpload(n *network) stage {
	w := buildWay(n, false)
	pull := func(ctx context.Context, _ *meter) error {
		wait(ctx, 2*time.Second)
		return w.serverPort.unplug()
	}
	return stage{
		traffic: together(n.serve(w.server, discard, w.web().String()), steady(w, 20_000), pull),
		proof:   w.client.counted("TCPTimeouts", 4),
	}
}

// counted is a proof that one of TcpExt's counters came so far.
func (s *space) counted(name string, least uint64) func(reading) error {
	return func(reading) error {
		n, err := s.counter("TcpExt", name)
		if err != nil {
			return err
		}
		return atLeast(name, n, least)
	}
}

// lossyUpload loses a share of all packets, and asks for some uploads to get through
// nevertheless.
func lossyUpload(percent uint32, uploads uint64) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, false)
		n.drop(w.router, "forward", nftables.ChainHookForward, sometimes(percent))
		push := transfers{
			to: w.web(), large: order{up: 30_000, down: smallSize},
			within: longPatience, pause: 20 * time.Millisecond,
		}
		var clients []job
		for i := range 4 {
			clients = append(clients, push.run(w.client, fmt.Sprintf("lab-upload%d", i)))
		}
		return stage{
			traffic: together(append(clients, n.serve(w.server, trade, w.web().String()), chatter(w.client, w.web()))...),
			proof:   func(r reading) error { return atLeast("uploads", r.OK, uploads) },
		}
	}
}

// slowUpload fills a server's buffer, so that its window closes.
func slowUpload(n *network) stage {
	w := buildWay(n, false)
	doze := func(conn net.Conn) {
		buffer := make([]byte, 4000)
		begun := time.Now()
		for {
			pause := 100 * time.Millisecond
			if time.Since(begun) < time.Second {
				pause = 4 * time.Second
			}
			wait(context.Background(), pause)
			if _, err := conn.Read(buffer); err != nil {
				return
			}
		}
	}
	return stage{
		traffic: together(n.serve(w.server, doze, w.web().String()), steady(w, 400_000)),
		proof:   w.server.counted("TCPToZeroWindowAdv", 1),
	}
}
