// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"time"
)

// bootLimit is how long a machine may take to come up and to go down, beside its
// jobs' own limits. It takes 2 to 25 s.
const bootLimit = 2 * time.Minute

// All does the whole script, whatever it does to the machine: a job that the
// machine did not survive counts as not ended, and the next boot goes on after it.
// It gives one outcome for each job, in order.
func (m Machine) All(ctx context.Context) (Report, error) {
	jobs := m.Script.Jobs
	var sum Report
	for len(jobs) > 0 {
		m.Script.Jobs = jobs
		part, err := m.bounded(ctx)
		sum.add(part)
		if err != nil {
			return sum, err
		}
		if ctx.Err() != nil {
			return sum, ctx.Err()
		}
		if part.Release == "" || len(part.Outcomes) == 0 {
			return sum, fmt.Errorf("boot %s: the machine did not come up: %q", m.Kernel.Target.Name(), part.tail())
		}
		jobs = jobs[len(part.Outcomes):]
	}
	return sum, nil
}

// bounded boots once, within what the jobs may take together.
func (m Machine) bounded(ctx context.Context) (Report, error) {
	limit := bootLimit
	for _, j := range m.Script.Jobs {
		limit += j.Limit
	}
	bound, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return m.Boot(bound)
}

func (r *Report) add(part Report) {
	r.Release, r.Done = part.Release, part.Done
	r.Outcomes = append(r.Outcomes, part.Outcomes...)
	r.Log = append(r.Log, part.Log...)
	r.Console = append(r.Console, part.Console...)
	r.Wall += part.Wall
}

// tailLines is how many last lines of the console say why a machine died.
const tailLines = 20

func (r Report) tail() []string {
	return r.Console[max(0, len(r.Console)-tailLines):]
}
