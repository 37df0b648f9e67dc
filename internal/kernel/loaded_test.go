// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// TestOnlyTheStandingRungIsInTheKernel asks the kernel, not the loader: what a lower
// rung would cost for each packet is not paid where a higher one holds.
func TestOnlyTheStandingRungIsInTheKernel(t *testing.T) {
	kerneltest.Exclusive(t)
	before := inKernel(t)
	k := mustOpen(t, Options{})
	var got, want []string
	for id, name := range inKernel(t) {
		if _, old := before[id]; !old {
			got = append(got, name)
		}
	}
	for _, row := range hook.Table() {
		want = append(want, standing(row, reportOf(t, k, row.Name).Rung)...)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the kernel holds %q, the agent stands on %q", got, want)
	}
}

// standing are the programs of one rung.
func standing(row hook.Row, rung string) []string {
	for _, r := range row.Rungs {
		if r.Name == rung {
			return r.Programs
		}
	}
	return nil
}

// inKernel are the programs that the kernel holds, by id. One that goes meanwhile is
// left out.
func inKernel(t *testing.T) map[ebpf.ProgramID]string {
	t.Helper()
	found := map[ebpf.ProgramID]string{}
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		id = next
		program, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue
		}
		info, err := program.Info()
		program.Close()
		if err == nil {
			found[id] = info.Name
		}
	}
}
