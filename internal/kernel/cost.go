// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"cmp"
	"fmt"
	"io"
	"slices"
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
	// Instructions is how many the verifier walked, 0 before kernel 5.16.
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
	walked, _ := info.VerifiedInstructions()
	return Cost{Runs: stats.RunCount, Time: stats.Runtime, Instructions: walked}, nil
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
