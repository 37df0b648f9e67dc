// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"slices"
	"strings"
	"testing"
)

func TestNewestOrdersReleasesByNumberNotByText(t *testing.T) {
	names := []string{
		"linux-image-6.18.9+deb13-cloud-amd64",
		"linux-image-6.18.15+deb13-cloud-amd64",
		"linux-image-6.18.12+deb13-cloud-amd64",
		"linux-image-6.18.99+deb13-cloud-amd64-dbg",
		"linux-image-6.18.99+deb13-cloud-arm64",
		"linux-image-6.18.99+deb13-amd64",
	}
	want := "linux-image-6.18.15+deb13-cloud-amd64"
	if got := newest(names, "-cloud-amd64"); got != want {
		t.Errorf("newest is %s, want %s", got, want)
	}
	if got := newest([]string{"linux-image-6.18.1-amd64"}, "-cloud-amd64"); got != "" {
		t.Errorf("newest of none is %q", got)
	}
}

func TestDependsLeavesVersionsAndAlternativesOut(t *testing.T) {
	paragraph := "Package: linux-image-7.3.4\nDescription: x\n Depends: not a field\n" +
		"Depends: kmod, linux-base (>= 4.3~), linux-binary-7.3.4 (= 7.3.4-1), initramfs-tools | dracut\nSize: 1\n"
	want := []string{"kmod", "linux-base", "linux-binary-7.3.4", "initramfs-tools"}
	if got := dependsOf(paragraph); !slices.Equal(got, want) {
		t.Errorf("depends on %q, want %q", got, want)
	}
}

func TestPrivateStateNamesNothingOutsideItsFolder(t *testing.T) {
	s := &Suite{name: "bookworm", arch: "arm64", dir: "/cache/apt/bookworm-arm64"}
	for line := range strings.Lines(s.config()) {
		if strings.HasPrefix(line, "Dir::") && !strings.Contains(line, s.dir) && !strings.Contains(line, `"-"`) {
			t.Errorf("setting leaves the folder: %s", line)
		}
	}
}
