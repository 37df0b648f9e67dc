// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	floodPackets = 200_000
	floodRate    = 100_000 // packets a second
	// floodRecords is how many records one flood may make until it is over.
	floodRecords = 3
	// residentLimit is the agent's promise in bytes of resident memory.
	residentLimit = 60 << 20
)

// dropFlood is one fault at a rate that would drown an agent which told of every
// packet.
func dropFlood() []Scenario {
	fault := Scenario{
		Trap: finding.AsymmetricRouting, Cause: rpFilterStrict,
		Views: []string{"client"}, budget: dropBudget,
	}
	counted, stopped := fault, fault
	counted.Name = "drop-flood"
	counted.Summary = "200,000 packets in 2 s are dropped by the reverse-path filter, and counted one by one"
	counted.ends = true
	counted.build = countedFlood
	stopped.Name = "drop-flood-stop"
	stopped.Summary = "the agent is told to stop in the middle of a flood"
	stopped.cut = true
	stopped.build = longFlood
	return []Scenario{counted, stopped}
}

func countedFlood(n *network) stage {
	d := buildDiamond(n, "client", "c-r1", "c-r2")
	d.reversePath(n, 0, 1)
	return stage{
		traffic: together(d.flood(floodPackets), d.watchDrops),
		proof:   func(r reading) error { return atLeast("packets sent", r.Sent, floodPackets) },
		judge:   d.judgeCounts,
	}
}

func longFlood(n *network) stage {
	d := buildDiamond(n, "client", "c-r1", "c-r2")
	d.reversePath(n, 0, 1)
	return stage{
		traffic: together(d.flood(10*floodPackets), d.watchDrops),
		proof:   func(r reading) error { return atLeast("packets sent", r.Sent, 1) },
		judge: func(r reading, _ *Result) []string {
			if r.Finished {
				return []string{"the flood was over before the agent was stopped"}
			}
			return nil
		},
	}
}

// judgeCounts holds the finding's count of drops against the kernel's own counter
// and against the packets sent.
func (d diamond) judgeCounts(r reading, s *Result) []string {
	var wrong []string
	kernel, err := d.drops()
	if err != nil {
		return []string{err.Error()}
	}
	if kernel != r.Sent {
		wrong = append(wrong, fmt.Sprintf("the kernel dropped %d of %d packets sent", kernel, r.Sent))
	}
	told := s.last.Trapbpf.Route.Drops
	s.note("drops: %d sent, %d by the kernel's counter, %d by the finding; marked lossy: %t",
		r.Sent, kernel, told, s.last.Trapbpf.Lossy)
	if told != kernel {
		wrong = append(wrong, fmt.Sprintf("the finding tells of %d drops, the kernel of %d", told, kernel))
	}
	if n := len(s.Records) - 1; n > floodRecords {
		wrong = append(wrong, fmt.Sprintf("%d records for one flood, not %d at most", n, floodRecords))
	}
	return wrong
}

// flood sends packets from the server's address into the edge's second interface,
// in batches of 5 ms.
func (d diamond) flood(packets int) job {
	return func(ctx context.Context, m *meter) error {
		frame, err := d.forged()
		if err != nil {
			return err
		}
		wire, err := d.far.tap()
		if err != nil {
			return err
		}
		defer wire.close()
		const interval = 5 * time.Millisecond
		batch := floodRate * int(interval) / int(time.Second)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for start, sent := time.Now(), 0; sent < packets && ctx.Err() == nil; <-tick.C {
			due := int(time.Since(start)/interval+1) * batch
			for ; sent < min(due, packets) && wire.send(frame) == nil; sent++ {
				m.send(1)
			}
		}
		m.finish()
		<-ctx.Done()
		return nil
	}
}

func (d diamond) forged() ([]byte, error) {
	to, _, err := d.second.mac()
	if err != nil {
		return nil, err
	}
	from, _, err := d.far.mac()
	if err != nil {
		return nil, err
	}
	packet := datagram{
		to: to, from: from, sourcePort: 5000, port: 5000,
		source: netip.MustParseAddr(diamondServer), dest: netip.MustParseAddr(diamondEdge1),
	}
	return packet.frame([]byte("flood")), nil
}
