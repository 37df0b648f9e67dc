// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDebIsInstalledRunUpgradedAndPurged(t *testing.T) {
	dir := base(t)
	clean := tree(t, dir)
	install := func(version string) {
		output(t, "dpkg", "--root="+dir, "--log=/dev/null", "--force-confold", "--install", one(t, packages(t, version, "amd64"), "*.deb"))
	}
	install("v0.1.0")
	works(t, dir, "v0.1.0")
	runs(t, dir)
	mine := used(t, dir)
	write(t, filepath.Join(dir, "var/lib/trapbpf/findings.jsonl"), "{}\n")

	install("v0.1.0-3-gabcdef")
	works(t, dir, "v0.1.0-3-gabcdef")
	kept(t, dir)
	output(t, "dpkg", "--root="+dir, "--log=/dev/null", "--purge", "trapbpf")
	stays := []string{"/etc/trapbpf", "/etc/trapbpf/conf.d", "/etc/trapbpf/conf.d/mine.yaml"}
	leaves(t, dir, clean, stays)
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("the purge took what the user made: %v", err)
	}
}
