// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package metric

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// promtool runs Prometheus' own tool in the folder of the alert rules.
func promtool(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		kerneltest.RequireRoot(t) // a machine that must run every test has it
		t.Fatalf("%v: it is in Debian's package prometheus", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = "../../deploy/prometheus"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestAlertRulesAreGoodAndFireWhenTheyShould(t *testing.T) {
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", "trapbpf.rules.yaml")
	promtool(t, "test", "rules", "trapbpf.rules.test.yaml")
}

func TestEveryAlertIsTested(t *testing.T) {
	rules, err := os.ReadFile("../../deploy/prometheus/trapbpf.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("../../deploy/prometheus/trapbpf.rules.test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(rules)) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "- alert: ")
		if ok && !strings.Contains(string(tests), "alertname: "+name+"\n") {
			t.Errorf("no test sees %s fire", name)
		}
	}
}
