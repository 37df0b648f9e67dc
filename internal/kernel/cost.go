// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Cost is what one loaded program has cost since it was loaded. Runs and Time stay
// 0 unless EnableStats was in force meanwhile.
type Cost struct {
	// Program is its name in bpf/, Hook the row's.
	Program, Hook string
	Runs          uint64
	Time          time.Duration
	// Instructions is how many the verifier walked; before kernel 5.16 it is 0 without
	// Options.Account.
	Instructions uint32
}

// Costs tells what each loaded program has cost, by hook and then by name.
func (k *Kernel) Costs() ([]Cost, error) {
	var all []Cost
	for _, r := range k.rows {
		if r.collection == nil {
			continue
		}
		for name, program := range r.collection.Programs {
			cost, err := costOf(program)
			if err != nil {
				return nil, fmt.Errorf("read the cost of %s: %w", name, err)
			}
			cost.Program, cost.Hook = name, r.Name
			all = append(all, cost)
		}
	}
	slices.SortFunc(all, func(a, b Cost) int {
		return cmp.Or(cmp.Compare(a.Hook, b.Hook), cmp.Compare(a.Program, b.Program))
	})
	return all, nil
}

func costOf(program *ebpf.Program) (Cost, error) {
	stats, err := program.Stats()
	if err != nil {
		return Cost{}, err
	}
	info, err := program.Info()
	if err != nil {
		return Cost{}, err
	}
	walked, told := info.VerifiedInstructions()
	if !told {
		walked = walkedIn(program.VerifierLog)
	}
	return Cost{Runs: stats.RunCount, Time: stats.Runtime, Instructions: walked}, nil
}

// account is the verifier's log level for Account.
func (o Options) account() ebpf.LogLevel {
	if o.Account {
		return ebpf.LogLevelStats
	}
	return 0
}

// walkedIn reads the last line of a verifier's log: "processed 123 insns (limit
// 1000000) ...". 0 where there is none.
func walkedIn(log string) (walked uint32) {
	at := strings.LastIndex(log, "processed ")
	if at < 0 {
		return 0
	}
	if _, err := fmt.Sscanf(log[at:], "processed %d insns", &walked); err != nil {
		return 0
	}
	return walked
}

// EnableStats makes the kernel measure the run time of every BPF program of the
// host, at some 20 ns a run, until the result is closed.
func EnableStats() (io.Closer, error) {
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return nil, fmt.Errorf("enable BPF statistics: %w", err)
	}
	return stats, nil
}
