// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// packages builds the packages of a version, and gives their folder.
func packages(t *testing.T, version, architectures string) string {
	t.Helper()
	dir := t.TempDir()
	c := exec.Command("make", "-C", root, "packages", "VERSION="+version, "PACKAGES="+dir, "ARCHITECTURES="+architectures)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("make packages: %v\n%s", err, out)
	}
	return dir
}

// one gives the only file that a pattern matches.
func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q, %v", pattern, found, err)
	}
	return found[0]
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", c, err, out, stderrOf(err))
	}
	return string(out)
}

func stderrOf(err error) string {
	if ended, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output gives it as it is
		return string(ended.Stderr)
	}
	return ""
}

// wanted is what every package installs.
var wanted = []string{
	"/usr/bin/trapbpf", "/etc/trapbpf/trapbpf.yaml", "/etc/trapbpf/conf.d", "/etc/logrotate.d/trapbpf",
	"/usr/lib/systemd/system/trapbpf.service", "/usr/share/doc/trapbpf/examples/confirm.conf",
	"/usr/share/man/man8/trapbpf.8.gz", "/usr/share/man/man8/trapbpf-run.8.gz", "/usr/share/man/man8/trapbpf-config-validate.8.gz",
	"/usr/share/bash-completion/completions/trapbpf", "/usr/share/zsh/site-functions/_trapbpf",
	"/usr/share/fish/vendor_completions.d/trapbpf.fish",
	"/usr/share/doc/trapbpf/sbom.cdx.json", "/usr/share/doc/trapbpf/licenses/GPL-2.0-only.txt",
	"/var/lib/trapbpf", "/var/log/trapbpf",
}

func TestPackagesOfBothKindsAndArchitecturesHoldTheSame(t *testing.T) {
	dir := packages(t, "v0.1.0", "amd64 arm64")
	for _, pattern := range []string{"*_amd64.deb", "*_arm64.deb", "*.x86_64.rpm", "*.aarch64.rpm"} {
		var list string
		file := one(t, dir, pattern)
		if filepath.Ext(file) == ".rpm" {
			list = output(t, "rpm", "-qpl", "--nosignature", file)
		} else {
			for line := range strings.Lines(output(t, "dpkg-deb", "--contents", file)) {
				list += strings.TrimSuffix(strings.TrimPrefix(strings.Fields(line)[5], "."), "/") + "\n"
			}
		}
		for _, path := range wanted {
			if !slices.Contains(strings.Split(list, "\n"), path) {
				t.Errorf("%s has no %s", filepath.Base(file), path)
			}
		}
	}
	checkRPM(t, one(t, dir, "*.x86_64.rpm"))
	for _, arch := range []string{"amd64", "arm64"} {
		binary := filepath.Join(t.TempDir(), "root")
		output(t, "dpkg-deb", "--extract", one(t, dir, "*_"+arch+".deb"), binary)
		checkSBOM(t, filepath.Join(binary, "usr/share/doc/trapbpf/sbom.cdx.json"), filepath.Join(binary, "usr/bin/trapbpf"))
		checkPages(t, binary, arch == "amd64")
	}
}

// checkRPM looks at what rpm alone has: kept configuration files and scripts.
func checkRPM(t *testing.T, file string) {
	t.Helper()
	if kept := output(t, "rpm", "-qp", "--nosignature", "--configfiles", file); kept != "/etc/logrotate.d/trapbpf\n/etc/trapbpf/trapbpf.yaml\n" {
		t.Errorf("configuration files of the rpm: %q", kept)
	}
	if scripts := output(t, "rpm", "-qp", "--nosignature", "--scripts", file); strings.Count(scripts, "systemctl") < 3 {
		t.Errorf("scripts of the rpm:\n%s", scripts)
	}
	if version := output(t, "rpm", "-qp", "--nosignature", "--queryformat", "%{VERSION}", file); version != "0.1.0" {
		t.Errorf("version of the rpm: %s", version)
	}
}

// checkPages holds that each manual page is of a command that there is.
func checkPages(t *testing.T, installed string, runs bool) {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(installed, "usr/share/man/man8/*.8.gz"))
	if err != nil || len(pages) < 15 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		if text := output(t, "zcat", page); !strings.Contains(text, ".TH ") || !strings.Contains(text, ".SH SYNOPSIS") {
			t.Errorf("%s is no manual page", page)
		}
		words := strings.Split(strings.TrimSuffix(filepath.Base(page), ".8.gz"), "-")
		if runs && len(words) > 1 {
			output(t, filepath.Join(installed, "usr/bin/trapbpf"), append(words[1:], "--help")...)
		}
	}
}
