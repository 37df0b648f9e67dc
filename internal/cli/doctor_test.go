// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/trap/all"
	"github.com/trapbpf/trapbpf/pkg/event"
)

func TestDoctorTellsOfEveryHookAndTrap(t *testing.T) {
	kerneltest.Exclusive(t)
	code, stdout, stderr := run(t, "doctor", "--output", "json")
	if code != exitOK || stderr != "" {
		t.Fatalf("exit %d, stderr %q", code, stderr)
	}
	var r report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Hooks) != len(hook.Table()) || len(r.Traps) != len(all.Detectors()) || r.Kernel == "" {
		t.Errorf("%d hooks, %d traps, kernel %q", len(r.Hooks), len(r.Traps), r.Kernel)
	}
	for _, v := range r.Traps {
		if (v.Sight == "sees") != (len(v.Missing) == 0) {
			t.Errorf("%s: %q, though %q are missing", v.Trap, v.Sight, v.Missing)
		}
	}
}

func TestDoctorForcesARungOnRequest(t *testing.T) {
	kerneltest.Exclusive(t)
	code, stdout, _ := run(t, "doctor", "--rung", "inet_sock_set_state=raw_tp")
	line := "inet_sock_set_state"
	for row := range strings.Lines(stdout) {
		if strings.HasPrefix(row, line) {
			line = strings.Join(strings.Fields(row), " ")
		}
	}
	if code != exitOK || line != "inet_sock_set_state tcp raw_tp" {
		t.Errorf("exit %d, %q", code, line)
	}
}

func TestDoctorWithoutCapabilitiesSaysWhichAreMissing(t *testing.T) {
	kerneltest.RequireRoot(t)
	type end struct {
		code           int
		stdout, stderr string
	}
	ended := make(chan end)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with what it lost
		if err := forgo(unix.CAP_SYS_ADMIN, unix.CAP_BPF, unix.CAP_PERFMON); err != nil {
			t.Error(err)
		}
		code, stdout, stderr := run(t, "doctor")
		ended <- end{code, stdout, stderr}
	}()
	got := <-ended
	if got.code != exitPrivilege || got.stdout != "" {
		t.Errorf("exit %d, stdout %q", got.code, got.stdout)
	}
	if !strings.Contains(got.stderr, "CAP_BPF and CAP_PERFMON missing: run as root") || strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("stderr %q", got.stderr)
	}
}

// forgo takes capabilities from the calling thread.
func forgo(capabilities ...int) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for _, c := range capabilities {
		data[c/32].Effective &^= 1 << (c % 32)
	}
	return unix.Capset(&header, &data[0])
}

func TestDoctorPrintsWhatStandsAndWhy(t *testing.T) {
	r := report{
		Kernel: "6.1.0",
		Hooks: []event.Hook{
			{Name: "icmp_rcv", Sight: "icmp", Rung: "tp_btf", Higher: []string{"fentry: no", "kprobe: never"}},
			{Name: "kfree_skb", Sight: "drop", Blind: "tp_btf: locked"},
		},
		Traps: []trapView{{Trap: "pmtud-failure", Sight: "half blind", Missing: []string{"drop: no drop is seen"}}},
		Costs: []cost{{Program: "tb_x", Hook: "icmp_rcv", Instructions: 42, Runs: 7, NsPerRun: 12.6}},
	}
	var out bytes.Buffer
	if err := r.print(Environment{Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	text := strings.Join(lines, "\n")
	for _, want := range []string{
		"kernel 6.1.0",
		"icmp_rcv icmp tp_btf fentry: no; kprobe: never",
		"kfree_skb drop nothing tp_btf: locked",
		"pmtud-failure half blind drop: no drop is seen",
		"tb_x icmp_rcv 42 7 13",
	} {
		if !strings.Contains(text+"\n", want+"\n") {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
}
