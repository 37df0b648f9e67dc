// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/privilege"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// nobody is an ordinary user.
const nobody = 65534

// least is what SECURITY.md tells to give, without probes and log files.
func least() privilege.Set {
	return privilege.Of(unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN, unix.CAP_SYS_PTRACE,
		unix.CAP_DAC_READ_SEARCH, unix.CAP_SYSLOG)
}

// common is a folder that every user may enter, with the agent in it.
func common(t *testing.T) (dir, binary string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "tb-privilege-") //nolint:usetesting // t.TempDir is in a folder that is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(buildAgent(t))
	if err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "agent")
	if err := os.WriteFile(binary, content, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, binary
}

// given gives a program that is the agent as an ordinary user with exactly these
// capabilities.
func given(t *testing.T, binary string, caps privilege.Set) string {
	t.Helper()
	words := "-all"
	for _, name := range caps.Names() {
		words += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
	}
	script := fmt.Sprintf("#!/bin/sh\nexec setpriv --reuid %d --regid %d --clear-groups --bounding-set %s --inh-caps %s --ambient-caps %s %s \"$@\"\n",
		nobody, nobody, words, words, words, binary)
	path := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// asNobody runs a scenario with the agent as an ordinary user with these capabilities.
func asNobody(t *testing.T, binary, name string, caps privilege.Set) Result {
	t.Helper()
	scenario, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	scenario.pasted = true // whose findings /run/trapbpf does not keep: it is root's
	return playScenario(t, given(t, binary, caps), scenario)
}

// TestLeastPrivilege takes the machine once for all that follows.
func TestLeastPrivilege(t *testing.T) {
	kerneltest.Exclusive(t)
	t.Run("every thread gives up what watching does not need", everyThreadGivesUp)
	t.Run("each missing capability is told alone", eachMissingIsToldAlone)
	t.Run("without it stops what the table says", withoutItStopsWhatTheTableSays)
	t.Run("a log file of another user is written", logFileOfAnotherUserIsWritten)
	t.Run("an ordinary user with the least finds every trap", ordinaryUserFindsEveryTrap)
}

// One scenario of each trap. That root, which gives up the same, misses nothing, every
// other test of the lab holds.
func ordinaryUserFindsEveryTrap(t *testing.T) {
	_, binary := common(t)
	for _, name := range []string{"rp-filter", "ports-exhausted", "mtu-sender", "pmtud-inbound", "dns-stale", "firewall-half"} {
		t.Run(name, func(t *testing.T) { asNobody(t, binary, name, least()) })
	}
}

// said is one line of the agent's log.
type said struct {
	Level        string `json:"log.level"`
	Message      string
	Blind        []string
	Capabilities []string
}

// brief runs a command of the agent to its end and gives its log and exit code.
func brief(t *testing.T, binary string, args ...string) (lines []said, stderr string, code int) {
	t.Helper()
	ctx := within(t)
	cmd := exec.CommandContext(ctx, binary, args...)
	var log bytes.Buffer
	cmd.Stderr = &log
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for line := range strings.Lines(log.String()) {
		var one said
		if json.Unmarshal([]byte(line), &one) == nil {
			lines = append(lines, one)
		}
	}
	return lines, log.String(), cmd.ProcessState.ExitCode()
}

// told gives the warnings that name a capability.
func told(lines []said) []string {
	var names []string
	for _, l := range lines {
		if name, _, ok := strings.Cut(l.Message, " missing: "); ok {
			names = append(names, name)
		}
	}
	return names
}

func eachMissingIsToldAlone(t *testing.T) {
	_, binary := common(t)
	ns := kerneltest.Namespace(t)
	all := least() | privilege.Of(unix.CAP_NET_RAW)
	watch := []string{"watch", "--netns", ns.Name, "--confirm", "--output", "json", "--for", "100ms"}
	for _, row := range privilege.Table() {
		if row.Capability == unix.CAP_DAC_OVERRIDE {
			continue // see logFileOfAnotherUserIsWritten
		}
		t.Run(row.Name, func(t *testing.T) {
			without := all &^ privilege.Of(row.Capability)
			vital := row.Capability == unix.CAP_BPF || row.Capability == unix.CAP_PERFMON
			if vital { // CAP_SYS_ADMIN stands for it
				without &^= privilege.Of(unix.CAP_SYS_ADMIN)
			}
			lines, stderr, code := brief(t, given(t, binary, without), watch...)
			if vital {
				if code != 4 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, row.Name+" missing") {
					t.Errorf("exit %d: %s", code, stderr)
				}
				return
			}
			if code != 0 || !slices.Equal(told(lines), []string{row.Name}) {
				t.Errorf("exit %d, told %q:\n%s", code, told(lines), stderr)
			}
		})
	}
	lines, stderr, code := brief(t, given(t, binary, all), watch...)
	if code != 0 || told(lines) != nil {
		t.Errorf("with all: exit %d, told %q:\n%s", code, told(lines), stderr)
	}
}

// What the table says that stops without each, stops.
func withoutItStopsWhatTheTableSays(t *testing.T) {
	dir, binary := common(t)
	ns := kerneltest.Namespace(t)
	t.Run("CAP_NET_ADMIN", func(t *testing.T) {
		lines, stderr, _ := brief(t, given(t, binary, least()&^privilege.Of(unix.CAP_NET_ADMIN)),
			"watch", "--netns", ns.Name, "--output", "json", "--for", "100ms")
		blind := slices.ContainsFunc(lines, func(l said) bool {
			return l.Message == "watching" && slices.ContainsFunc(l.Blind, func(b string) bool { return strings.HasPrefix(b, "dns") })
		})
		if !blind {
			t.Errorf("DNS is not blind:\n%s", stderr)
		}
	})
	t.Run("CAP_NET_RAW", func(t *testing.T) {
		_, stderr, code := brief(t, given(t, binary, least()), "probe", "mtu", "127.0.0.1")
		if code != 4 || !strings.Contains(stderr, "CAP_NET_RAW") {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
	t.Run("CAP_SYS_ADMIN", func(t *testing.T) {
		r := played(t, binary, "rp-filter", least()&^privilege.Of(unix.CAP_SYS_ADMIN), "")
		records := fmt.Sprintf("%s", r.Records)
		if strings.Contains(records, string(finding.Confirmed)) || !strings.Contains(records, "rp_filter could not be read in this namespace") {
			t.Errorf("another namespace's settings were read: %s", records)
		}
	})
	t.Run("CAP_SYS_PTRACE", func(t *testing.T) {
		if names := executables(played(t, binary, "ports-exhausted", least()&^privilege.Of(unix.CAP_SYS_PTRACE), "")); len(names) > 0 {
			t.Errorf("executables %q are told without it", names)
		}
		if names := executables(played(t, binary, "ports-exhausted", least(), "")); len(names) == 0 {
			t.Error("no executable is told with it")
		}
	})
	t.Run("CAP_SYSLOG", func(t *testing.T) {
		if !symbolsHidden(t) {
			return // this host shows its symbols to everybody
		}
		for caps, want := range map[privilege.Set]bool{least(): true, least() &^ privilege.Of(unix.CAP_SYSLOG): false} {
			file := filepath.Join(dir, caps.String()+".jsonl")
			if err := os.WriteFile(file, nil, 0o666); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(file, nobody, nobody); err != nil {
				t.Fatal(err)
			}
			played(t, binary, "rp-filter", caps, file)
			text, err := os.ReadFile(file)
			if err != nil || !bytes.Contains(text, []byte(`"location":`)) {
				t.Fatalf("no drop was recorded: %v", err)
			}
			if got := bytes.Contains(text, []byte(`"symbol":`)); got != want {
				t.Errorf("with %s symbols are told: %v", caps, got)
			}
		}
	})
}

// played runs a scenario as far as it goes: the audit before it has every capability, and
// the agent these. Where file is not "", the agent records its events there.
func played(t *testing.T, binary, name string, caps privilege.Set, file string) Result {
	t.Helper()
	scenario, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	scenario.pasted = true
	agent := given(t, binary, caps)
	if file != "" {
		agent += " record " + file
	} else {
		agent += " watch"
	}
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = watch ] || exec %s \"$@\"\nshift\nexec %s \"$@\"\n", binary, agent)
	path := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	result, err := Run(within(t), Options{Binary: path, Scenario: scenario})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return result
}

// executables lists what the records say of processes' files.
func executables(r Result) (names []string) {
	for _, line := range r.Records {
		if doc, err := finding.ParseRecord(line); err == nil && doc.Process.Executable != "" {
			names = append(names, doc.Process.Executable)
		}
	}
	return names
}

// symbolsHidden tells whether the kernel shows its symbols' addresses only to who has
// CAP_SYSLOG (kernel.kptr_restrict, kernel.perf_event_paranoid).
func symbolsHidden(t *testing.T) bool {
	t.Helper()
	hidden := false
	for file, most := range map[string]int{"kptr_restrict": 0, "perf_event_paranoid": 1} {
		text, err := os.ReadFile("/proc/sys/kernel/" + file)
		if err != nil {
			t.Fatal(err)
		}
		level, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		hidden = hidden || level > most
	}
	return hidden
}

// threads gives, for each thread of a process, one field of its status.
func threads(t *testing.T, pid int, field string) []string {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, field+":\t"); ok {
				values = append(values, strings.TrimSpace(value))
			}
		}
	}
	return values
}

func everyThreadGivesUp(t *testing.T) {
	ns := kerneltest.Namespace(t)
	a, err := startAgent(buildAgent(t), false, ns.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.ready(within(t)); err != nil {
		t.Fatal(err)
	}
	held, err := privilege.Held()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%016x", uint64(privilege.Keep(held, privilege.Need{Elsewhere: true})))
	for field, want := range map[string]string{"CapEff": want, "CapPrm": want, "CapBnd": want, "CapInh": "0000000000000000", "CapAmb": "0000000000000000", "NoNewPrivs": "1"} {
		values := threads(t, a.cmd.Process.Pid, field)
		if len(values) < 4 {
			t.Fatalf("%d threads", len(values))
		}
		for _, value := range values {
			if value != want {
				t.Errorf("a thread has %s %s, want %s", field, value, want)
			}
		}
	}
	if _, err := a.stop(); err != nil {
		t.Error(err)
	}
}

// A log file that logrotate made anew for another user, in a folder of that user.
func logFileOfAnotherUserIsWritten(t *testing.T) {
	dir, binary := common(t)
	ns := kerneltest.Namespace(t)
	logs := filepath.Join(dir, "logs")
	file, main := filepath.Join(logs, "findings.jsonl"), filepath.Join(dir, "main.yaml")
	if err := os.Mkdir(logs, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("metrics: \"\"\nnetns: [%s]\nstate-directory: %s\nsinks:\n  log: {file: {path: %s}}\n  away: {http: {url: \"http://127.0.0.1:1/\"}}\n",
		ns.Path, filepath.Join(dir, "state"), file)
	for path, content := range map[string]string{file: "", main: text} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{file, logs} {
		if err := os.Chown(path, 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(binary, "run", "--config", main, "--rung", "dns_packet=none", "--for", "30s")
	cmd.Env = []string{} // none of TRAPBPF_*
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // same
		if t.Failed() {
			t.Logf("the agent said:\n%s", log.String())
		}
	})
	kerneltest.Within(t, eventually, "a blind hook to be told in the file", func() bool {
		text, err := os.ReadFile(file)
		return err == nil && bytes.Contains(text, []byte(`"action":"hook-blind"`))
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
