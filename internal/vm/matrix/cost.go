// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Hardware is the name under which the store keeps what rungs cost on a machine
// that is not emulated.
const Hardware = "hardware"

// takeCosts reads what the test of every rung logs (internal/kernel): what a run
// of each cost under the same traffic.
func (r *Result) takeCosts(out string) {
	line := regexp.MustCompile(`cost of (.+), (\S+): \d+ runs of (\d+) ns`)
	for _, match := range line.FindAllStringSubmatch(out, -1) {
		ns, err := strconv.ParseUint(match[3], 10, 64)
		if err != nil {
			continue
		}
		at := slices.IndexFunc(r.Rungs, func(x Rung) bool { return x.Hook == match[1] && x.Rung == match[2] })
		if at < 0 {
			r.Rungs = append(r.Rungs, Rung{Hook: match[1], Rung: match[2], Nanoseconds: ns})
			continue
		}
		r.Rungs[at].Nanoseconds = ns
	}
}

// ReadHardware makes a result of what the same test logs on this machine.
func ReadHardware(release, out string) Result {
	r := Result{Kernel: Hardware, Release: release}
	r.takeCosts(out)
	return r
}

// CostTable writes the table of bpf/README.md: each rung, the kernels on which the
// agent stands on it, and what a run costs: on hardware, and on the emulated kernel
// with the most rungs measured.
func CostTable(results []Result, hardware Result) string {
	every := mostMeasured(results)
	var b strings.Builder
	fmt.Fprintf(&b, "| hook | rung | stands on | ns, %s | ns, %s emulated |\n|---|---|---|---|---|\n", hardware.Release, every.Release)
	for _, r := range results[0].Rungs {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", r.Hook, r.Rung, standsOn(results, r), cost(hardware, r), cost(every, r))
	}
	return b.String()
}

// mostMeasured gives the kernel with the most rungs measured, the first of them.
func mostMeasured(results []Result) (best Result) {
	most := -1
	for _, r := range results {
		n := 0
		for _, x := range r.Rungs {
			if x.Nanoseconds > 0 {
				n++
			}
		}
		if n > most {
			most, best = n, r
		}
	}
	return best
}

// standsOn names the kernels on which the agent stands on a rung when left to
// itself.
func standsOn(results []Result, rung Rung) string {
	var names []string
	for _, r := range results {
		if r.Stands[rung.Hook] == rung.Rung {
			names = append(names, strings.TrimSuffix(r.Kernel, "-amd64"))
		}
	}
	switch len(names) {
	case 0:
		return "none"
	case len(results):
		return "all"
	}
	return strings.Join(names, ", ")
}

func cost(r Result, rung Rung) string {
	at := slices.IndexFunc(r.Rungs, func(x Rung) bool { return x.Hook == rung.Hook && x.Rung == rung.Rung })
	if at < 0 || r.Rungs[at].Nanoseconds == 0 {
		return ""
	}
	return fmt.Sprint(r.Rungs[at].Nanoseconds)
}
