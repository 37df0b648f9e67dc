// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func capabilitySet(held ...int) (set uint64) {
	for _, capability := range held {
		set |= 1 << capability
	}
	return set
}

func TestMissingCapabilitiesAreNamed(t *testing.T) {
	tests := []struct {
		name    string
		held    uint64
		missing []string
	}{
		{"none", 0, []string{"CAP_BPF", "CAP_PERFMON"}},
		{"only BPF", capabilitySet(unix.CAP_BPF), []string{"CAP_PERFMON"}},
		{"only perfmon", capabilitySet(unix.CAP_PERFMON), []string{"CAP_BPF"}},
		{"net admin helps not", capabilitySet(unix.CAP_NET_ADMIN), []string{"CAP_BPF", "CAP_PERFMON"}},
		{"both", capabilitySet(unix.CAP_BPF, unix.CAP_PERFMON), nil},
		{"system admin", capabilitySet(unix.CAP_SYS_ADMIN), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := enough(test.held)
			if len(test.missing) == 0 {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if !errors.Is(err, ErrPrivilege) {
				t.Fatalf("got %v, want ErrPrivilege", err)
			}
			for _, name := range test.missing {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%q does not name %s", err, name)
				}
			}
		})
	}
}

func TestClockRunsForwardFromBoot(t *testing.T) {
	before := Now()
	var uptime unix.Sysinfo_t
	if err := unix.Sysinfo(&uptime); err != nil {
		t.Fatal(err)
	}
	after := Now()
	if before == 0 || after < before {
		t.Errorf("clock went from %d to %d", before, after)
	}
	// sysinfo rounds the seconds since boot up.
	if seconds := int64(after) / 1e9; uptime.Uptime-seconds > 2 || seconds > uptime.Uptime {
		t.Errorf("clock shows %d s, the kernel is up for %d s", seconds, uptime.Uptime)
	}
}
