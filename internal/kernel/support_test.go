// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/privilege"
)

func TestMissingCapabilitiesAreNamed(t *testing.T) {
	tests := []struct {
		name    string
		held    privilege.Set
		missing []string
	}{
		{"none", 0, []string{"CAP_BPF", "CAP_PERFMON"}},
		{"only BPF", privilege.Of(unix.CAP_BPF), []string{"CAP_PERFMON"}},
		{"only perfmon", privilege.Of(unix.CAP_PERFMON), []string{"CAP_BPF"}},
		{"net admin helps not", privilege.Of(unix.CAP_NET_ADMIN), []string{"CAP_BPF", "CAP_PERFMON"}},
		{"both", privilege.Of(unix.CAP_BPF, unix.CAP_PERFMON), nil},
		{"system admin", privilege.Of(unix.CAP_SYS_ADMIN), nil},
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

func TestOldKernelsAndThoseWithoutTypesAreRefusedInOneLine(t *testing.T) {
	version := func(major, minor uint32) uint32 { return major<<16 | minor<<8 | 12 }
	tests := []struct {
		version uint32
		types   error
		says    string
	}{
		{version(4, 19), fs.ErrNotExist, "older than 5.8"},
		{version(5, 7), nil, "older than 5.8"},
		{version(5, 8), nil, ""},
		{version(5, 10), &fs.PathError{Op: "stat", Path: kernelTypes, Err: unix.ENOENT}, "CONFIG_DEBUG_INFO_BTF=y"},
		{version(7, 3), nil, ""},
	}
	for _, test := range tests {
		err := fit(test.version, test.types)
		if test.says == "" {
			if err != nil {
				t.Errorf("%#x is refused: %v", test.version, err)
			}
			continue
		}
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%#x gives %v, want %q", test.version, err, test.says)
		}
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

func TestReleasesAreReadAsVersions(t *testing.T) {
	for release, want := range map[string]uint32{
		"6.1.0-50-cloud-amd64": 6<<16 | 1<<8, "5.10.0": 5<<16 | 10<<8, "5.4.0-200-generic": 5<<16 | 4<<8,
		"6.18-rc1": 6<<16 | 18<<8, "strange": oldest,
	} {
		if got := versionOf(release); got != want {
			t.Errorf("%s is %#x, want %#x", release, got, want)
		}
	}
}
