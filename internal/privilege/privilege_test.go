// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package privilege

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// everything is what root has on any kernel.
const everything Set = 1<<(unix.CAP_LAST_CAP+1) - 1

func TestWatchingKeepsLessThanAttachingNeeds(t *testing.T) {
	for _, test := range []struct {
		name string
		held Set
		need Need
		want string
	}{
		{"the own namespace", everything, Need{}, "CAP_BPF,CAP_NET_ADMIN,CAP_SYS_PTRACE,CAP_DAC_READ_SEARCH"},
		{"all namespaces", everything, Need{Elsewhere: true}, "CAP_BPF,CAP_NET_ADMIN,CAP_SYS_ADMIN,CAP_SYS_PTRACE,CAP_DAC_READ_SEARCH"},
		{"probes", everything, Need{Confirm: true}, "CAP_BPF,CAP_NET_ADMIN,CAP_SYS_PTRACE,CAP_DAC_READ_SEARCH,CAP_NET_RAW"},
		{"a log file", everything, Need{Foreign: true}, "CAP_BPF,CAP_NET_ADMIN,CAP_SYS_PTRACE,CAP_DAC_READ_SEARCH,CAP_DAC_OVERRIDE"},
		{"the least", Of(unix.CAP_BPF, unix.CAP_PERFMON), Need{Elsewhere: true}, "CAP_BPF"},
		{"no name for CAP_BPF", Of(unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN), Need{}, "CAP_NET_ADMIN,CAP_SYS_ADMIN"},
	} {
		if got := Keep(test.held, test.need).String(); got != test.want {
			t.Errorf("%s: keeps %s, want %s", test.name, got, test.want)
		}
	}
}

func TestMissingIsOnlyWhatIsOfUse(t *testing.T) {
	for _, test := range []struct {
		name string
		held Set
		need Need
		want string
	}{
		{"root", everything, Need{Elsewhere: true, Confirm: true, Foreign: true}, ""},
		{"the least", Of(unix.CAP_BPF, unix.CAP_PERFMON), Need{}, "CAP_NET_ADMIN CAP_SYS_PTRACE CAP_DAC_READ_SEARCH CAP_SYSLOG"},
		{"system admin stands for two", everything &^ Of(unix.CAP_BPF, unix.CAP_PERFMON), Need{}, ""},
		{"no probes", everything &^ Of(unix.CAP_NET_RAW), Need{}, ""},
		{"probes", everything &^ Of(unix.CAP_NET_RAW), Need{Confirm: true}, "CAP_NET_RAW"},
	} {
		var names []string
		for _, row := range Missing(test.held, test.need) {
			names = append(names, row.Name)
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%s: misses %q, want %q", test.name, got, test.want)
		}
	}
}

// The unit gives neither of two capabilities: that is told, and is no warning at each start.
func TestOnlyWhatIsMissedIsGrave(t *testing.T) {
	for _, test := range []struct {
		need Need
		want string
	}{
		{Need{Elsewhere: true, Foreign: true}, "CAP_BPF CAP_PERFMON CAP_NET_ADMIN CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_DAC_READ_SEARCH"},
		{Need{Untold: true}, "CAP_BPF CAP_PERFMON CAP_NET_ADMIN CAP_SYS_PTRACE CAP_DAC_READ_SEARCH CAP_SYSLOG"},
	} {
		var names []string
		for _, row := range Missing(0, test.need) {
			if row.Grave(test.need) {
				names = append(names, row.Name)
			}
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%+v: grave are %q, want %q", test.need, got, test.want)
		}
	}
}

// SECURITY.md tells the table in the same words.
func TestDocumentTellsTheTable(t *testing.T) {
	text, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range Table() {
		after := "given up"
		switch {
		case row.kept(Need{}):
			after = "kept"
		case row.kept(Need{Elsewhere: true}):
			after = "kept where other namespaces are watched"
		case row.kept(Need{Confirm: true}):
			after = "kept with `--confirm`"
		case row.kept(Need{Foreign: true}):
			after = "kept where files are written"
		}
		line := "| " + row.Name + " | " + row.For + " | " + row.Without + " | " + after + " |\n"
		if !strings.Contains(string(text), line) {
			t.Errorf("SECURITY.md lacks the line\n%s", line)
		}
	}
}
