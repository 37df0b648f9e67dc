// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/vm/job"
)

// limited are the hosts that one machine can be made into and back again.
func limited() []job.Job {
	host := func(name string, change func(*job.Job)) job.Job {
		j := doctor(jobHost + name)
		change(&j)
		return j
	}
	sysctl := func(key, value string) func(*job.Job) {
		return func(j *job.Job) { j.Sysctl = map[string]string{key: value} }
	}
	return []job.Job{
		host("perf_event_paranoid=3", sysctl("kernel/perf_event_paranoid", "3")),
		host("kptr_restrict=2", sysctl("kernel/kptr_restrict", "2")),
		host("no CAP_SYS_RESOURCE", func(j *job.Job) { j.Drop = []uintptr{unix.CAP_SYS_RESOURCE} }),
		host("no CAP_SYS_ADMIN", func(j *job.Job) { j.Drop = []uintptr{unix.CAP_SYS_ADMIN} }),
		// This one stays until the machine is off: so it comes last.
		host("unprivileged_bpf_disabled=1", sysctl("kernel/unprivileged_bpf_disabled", "1")),
	}
}

// others are the hosts that need a boot of their own.
func others() []Boot {
	one := func(name string, without ...string) job.Script {
		return job.Script{Jobs: []job.Job{doctor(jobHost + name)}, Without: without}
	}
	return []Boot{
		{Script: one("no tracefs mounted", "tracefs", "debugfs")},
		{Script: one("no cgroup v2", "cgroup2")},
		{Script: one("lockdown=integrity"), Append: []string{"lockdown=integrity"}},
		{Script: one("lockdown=confidentiality"), Append: []string{"lockdown=confidentiality"}},
	}
}

// refusal is a host on which the agent must not start, and how it must say so.
type refusal struct {
	name   string
	change func(*job.Job)
	// code is the exit code, words what the one line must hold.
	code  int
	words string
}

// The agent's exit codes for what is missing.
const (
	exitPrivilege = 4
	exitKernel    = 5
)

func refusals() []refusal {
	return []refusal{
		{"no BTF", func(j *job.Job) { j.Hide = []string{"/sys/kernel/btf"} }, exitKernel, "CONFIG_DEBUG_INFO_BTF=y"},
		{"no CAP_BPF", func(j *job.Job) {
			j.Drop = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_BPF, unix.CAP_PERFMON}
		}, exitPrivilege, "CAP_BPF and CAP_PERFMON missing"},
	}
}

func refused() (jobs []job.Job) {
	for _, r := range refusals() {
		j := doctor(jobRefused + r.name)
		r.change(&j)
		jobs = append(jobs, j)
	}
	return jobs
}

// readRefusal checks that the agent did not start, and said why in one line.
func readRefusal(o job.Outcome, name string) Refusal {
	told := Refusal{Name: name, Says: strings.TrimSpace(o.Stderr)}
	at := slices.IndexFunc(refusals(), func(r refusal) bool { return r.name == name })
	switch {
	case at < 0:
		told.Why = "nobody knows how it must end"
	case !o.Ended || o.Code != refusals()[at].code:
		told.Why = fmt.Sprintf("must end with %d: %s", refusals()[at].code, ending(o))
	case !strings.Contains(told.Says, refusals()[at].words) || strings.Contains(told.Says, "\n"):
		told.Why = fmt.Sprintf("must say %q in one line: %q", refusals()[at].words, told.Says)
	}
	return told
}
