// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/zap"
)

func TestOnlyWhatNobodyWritesToIsForgotten(t *testing.T) {
	const program = "/usr/bin/trap bpf"
	for line, want := range map[string]uintptr{
		"00400000-00c2d000 r-xp 00000000 00:2a 1234   /usr/bin/trap bpf\n": 0x82d000,
		"00c2d000-01a00000 r--p 0082d000 00:2a 1234   /usr/bin/trap bpf\n": 0xdd3000,
		"01a00000-01a80000 rw-p 01600000 00:2a 1234   /usr/bin/trap bpf\n": 0,
		"7f0000000000-7f0000021000 r-xp 0 00:2a 99    /usr/lib/libc.so\n":  0,
		"c000000000-c000400000 rw-p 00000000 00:00 0 \n":                   0,
		"garbled": 0,
	} {
		from, to, ok := constant(line, program)
		if ok != (want > 0) || to-from != want {
			t.Errorf("%q: %x to %x, %v", line, from, to, ok)
		}
	}
}

// resident gives the KiB of files that this process has mapped and in memory.
func resident(t *testing.T) (kib int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "RssFile:")
	if _, err := fmt.Sscan(after, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

func TestForgottenPagesAreResidentNoMore(t *testing.T) {
	program, err := os.ReadFile("/proc/self/exe") // so that its pages are in the cache
	if err != nil || len(program) == 0 {
		t.Fatal(err)
	}
	before := resident(t)
	(&Agent{log: zap.NewNop()}).forgetStart()
	if after := resident(t); after >= before {
		t.Errorf("%d KiB of files are resident, %d before", after, before)
	}
}
