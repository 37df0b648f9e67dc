// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func TestStepEntersItsNamespaceByNameElseByPath(t *testing.T) {
	op := finding.LinkOp{Dev: "eth0", MTU: 1400}
	for want, enter := range map[string]finding.Enter{
		"ip link set dev eth0 mtu 1400":                              {},
		"ip netns exec blue ip link set dev eth0 mtu 1400":           {Name: "blue", Path: "/run/netns/blue"},
		"ip netns exec 'a b' ip link set dev eth0 mtu 1400":          {Name: "a b"},
		"nsenter --net=/proc/7/ns/net ip link set dev eth0 mtu 1400": {Path: "/proc/7/ns/net"},
		"nsenter --net='/run/a b/net' ip link set dev eth0 mtu 1400": {Path: "/run/a b/net"},
	} {
		if got := (finding.Step{Op: op, Enter: enter}).Shell(); got != want {
			t.Errorf("%+v: got %s, want %s", enter, got, want)
		}
	}
}

func TestCommandOfSeveralPartsStaysInsideItsNamespace(t *testing.T) {
	enter := finding.Enter{Name: "blue"}
	for line, want := range map[string]string{
		"ss -tan | wc -l":        "ip netns exec blue ss -tan | wc -l",
		"ip rule; ip route":      "ip netns exec blue sh -c 'ip rule; ip route'",
		"cat < /proc/net/route":  "ip netns exec blue sh -c 'cat < /proc/net/route'",
		"# look at the firewall": "# look at the firewall",
	} {
		step := finding.Step{Op: finding.Command{Line: line}, Enter: enter}
		if got := step.Shell(); got != want {
			t.Errorf("%s: got %s, want %s", line, got, want)
		}
	}
}

func TestFileIsTheHostsWhateverTheNamespace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "written")
	step := finding.Step{Op: finding.FileOp{Path: path, Content: "one\n"}, Enter: finding.Enter{Name: "nowhere"}}
	if out, err := exec.Command("/bin/sh", "-c", step.Shell()).CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", step.Shell(), err, out)
	}
}
