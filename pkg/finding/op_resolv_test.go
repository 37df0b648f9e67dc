// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func TestResolvOpAppendsOneOptionFromOneShellLine(t *testing.T) {
	for _, before := range []string{"nameserver 127.0.0.1\noptions ndots:5\n", "nameserver 127.0.0.1", ""} {
		path := filepath.Join(t.TempDir(), "it's here", "resolv.conf")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		op := finding.ResolvOp{Path: path, Option: "ndots:2"}
		if out, err := exec.Command("/bin/sh", "-c", op.Shell()).CombinedOutput(); err != nil {
			t.Fatalf("run %s: %v: %s", op.Shell(), err, out)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := before + "\noptions ndots:2\n"; string(got) != want || op.Line() != "\noptions ndots:2\n" {
			t.Errorf("%s wrote %q, want %q", op.Shell(), got, want)
		}
		step, err := finding.ParseStep(op.Shell())
		if err != nil || step.Op != finding.Op(op) {
			t.Errorf("%s was read as %+v, %v", op.Shell(), step, err)
		}
	}
}

func TestResolvOpIsOfTheHostWhateverTheNamespace(t *testing.T) {
	op := finding.ResolvOp{Path: "/etc/netns/pod/resolv.conf", Option: "timeout:1"}
	step := finding.Step{Op: op, Enter: finding.Enter{Name: "pod"}}
	if step.Shell() != op.Shell() {
		t.Errorf("rendered %q", step.Shell())
	}
}

func TestParseTakesNothingElseForAResolvOp(t *testing.T) {
	for _, line := range []string{
		`printf '\noptions ndots:2\n' >> /etc/passwd`,
		`printf '\noptions ndots:2\n' >> resolv.conf`,
		`printf '\noptions ndots:2\n' >> /etc/../resolv.conf`,
		`printf '\noptions ndots:2\n' > /etc/resolv.conf`,
		`printf '\noptions ndots:2\n' >> /etc/resolv.conf; reboot`,
		`printf '\noptions ndots:2 debug\n' >> /etc/resolv.conf`,
		`printf '\noptions $(id)\n' >> /etc/resolv.conf`,
		`printf '\nnameserver 192.0.2.1\n' >> /etc/resolv.conf`,
	} {
		step, err := finding.ParseStep(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if _, taken := step.Op.(finding.ResolvOp); taken {
			t.Errorf("%s was taken for %+v", line, step.Op)
		}
	}
}
