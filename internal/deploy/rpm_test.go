// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"os"
	"path/filepath"
	"testing"
)

// rpm has no purge: what the user changed is put aside, and what the agent wrote stays, as
// deploy/packages/rpm/postun says.
func TestRPMIsInstalledRunUpgradedAndErased(t *testing.T) {
	dir := base(t)
	clean := tree(t, dir)
	rpm := func(args ...string) {
		output(t, "rpm", append([]string{"--root=" + dir, "--nodeps"}, args...)...)
	}
	rpm("--nosignature", "--install", one(t, packages(t, "v0.1.0", "amd64"), "*.x86_64.rpm"))
	rpm("--verify", "trapbpf")
	works(t, dir, "v0.1.0")
	runs(t, dir)
	mine := used(t, dir)

	rpm("--nosignature", "--upgrade", one(t, packages(t, "v0.1.1", "amd64"), "*.x86_64.rpm"))
	works(t, dir, "v0.1.1")
	kept(t, dir)
	rpm("--erase", "trapbpf")
	leaves(t, dir, clean, []string{
		"/etc/trapbpf", "/etc/trapbpf/conf.d", "/etc/trapbpf/conf.d/mine.yaml", "/etc/trapbpf/trapbpf.yaml.rpmsave",
		"/var/lib/trapbpf", "/var/lib/trapbpf/findings.jsonl", "/var/lib/trapbpf/findings.jsonl.lock",
	})
	if _, err := os.Stat(filepath.Join(dir, "etc/trapbpf/trapbpf.yaml.rpmsave")); err != nil {
		t.Errorf("the changed configuration is gone: %v", err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("what the user made is gone: %v", err)
	}
}
