// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the repository.
const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// security has systemd judge a unit, and gives its exit code: 0 where its exposure, times
// ten, is at most the threshold.
func security(t *testing.T, unit, threshold string) (code int, said string) {
	t.Helper()
	c := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold="+threshold, unit)
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

func TestUnitIsHardened(t *testing.T) {
	unit := filepath.Join(root, "deploy/systemd/trapbpf.service")
	if code, said := security(t, unit, "29"); code != 0 {
		t.Errorf("the unit is exposed to more than 2.9:\n%s", said)
	}
	bare := filepath.Join(t.TempDir(), "trapbpf.service")
	if err := os.WriteFile(bare, []byte("[Service]\nExecStart=/usr/bin/trapbpf run\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, said := security(t, bare, "29"); code == 0 {
		t.Errorf("a unit without any protection passes, too:\n%s", said)
	}
}

// settings gives the values of a key in a unit file.
func settings(text, key string) []string {
	var values []string
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			values = append(values, strings.Fields(value)...)
		}
	}
	return values
}

// A capability that the unit gives has its reason in SECURITY.md, and each that stands
// there is given by the unit or by one of its examples.
func TestCapabilitiesOfTheUnitAreThoseOfTheDocument(t *testing.T) {
	document := read(t, "SECURITY.md")
	given := strings.Join(settings(read(t, "deploy/systemd/trapbpf.service"), "CapabilityBoundingSet"), " ")
	examples, err := filepath.Glob(filepath.Join(root, "deploy/systemd/examples/*.conf"))
	if err != nil || len(examples) == 0 {
		t.Fatal("no examples", err)
	}
	for _, example := range examples {
		text, err := os.ReadFile(example)
		if err != nil {
			t.Fatal(err)
		}
		given += " " + strings.Join(settings(string(text), "CapabilityBoundingSet"), " ")
	}
	for _, capability := range strings.Fields(given) {
		if !strings.Contains(document, capability) {
			t.Errorf("%s has no reason in SECURITY.md", capability)
		}
	}
	for _, capability := range []string{"CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_NET_RAW", "CAP_SYSLOG"} {
		if !strings.Contains(given, capability) {
			t.Errorf("neither the unit nor an example gives %s", capability)
		}
	}
}

// logrotate itself reads the snippet, in a state of its own, and rotates nothing.
func TestLogrotateReadsTheSnippet(t *testing.T) {
	snippet := filepath.Join(t.TempDir(), "trapbpf")
	if err := os.WriteFile(snippet, []byte(read(t, "deploy/logrotate/trapbpf")), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("logrotate", "--debug", "--state", filepath.Join(t.TempDir(), "state"), snippet).CombinedOutput()
	if err != nil || strings.Contains(string(out), "error:") || !strings.Contains(string(out), "/var/log/trapbpf/*.jsonl") {
		t.Errorf("%v\n%s", err, out)
	}
}
