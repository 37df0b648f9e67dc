// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// twOverflow is a host whose tcp_max_tw_buckets is too small: the kernel ends
// TIME_WAITs at once that should have caught late segments (RFC 9293, 3.6.1).
func twOverflow() []Scenario {
	return []Scenario{{
		Name: "tw-overflow", Summary: "tcp_max_tw_buckets is 50: TIME_WAITs are refused",
		Trap: finding.TimeWaitExhaustion, Cause: "time-wait-bucket-overflow",
		Views: []string{"client"}, build: fewBuckets,
	}}
}

func fewBuckets(n *network) stage {
	d := buildDuo(n, 0)
	n.sysctl(d.client, "50", "ipv4", "tcp_max_tw_buckets")
	return stage{
		traffic: together(n.serve(d.server, answer, at(duoServer)), d.shortCalls(duoServer, 100),
			d.client.watchCounter("TCPTimeWaitOverflow")),
		proof: func(reading) error {
			refused, err := d.client.counter("TcpExt", "TCPTimeWaitOverflow")
			if err != nil {
				return err
			}
			return atLeast("refused TIME_WAITs", refused, 1)
		},
		heals: true,
	}
}

// watchCounter notes when one of TcpExt's counters left 0, to within a few
// milliseconds.
func (s *space) watchCounter(name string) job {
	return counting(func() (uint64, error) { return s.counter("TcpExt", name) })
}
