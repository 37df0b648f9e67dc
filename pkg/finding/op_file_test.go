// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func TestFileOpWritesItsContentFromOneShellLine(t *testing.T) {
	for _, content := range []string{
		"", "\n", "one", "one\n", "one\ntwo\n", "one\ntwo", "\n\ntwo\n\n",
		"it's 100% \"quoted\" \\n $HOME `id`\n-n\n", "%s %d\n\ttab\n",
	} {
		path := filepath.Join(t.TempDir(), "a file.conf")
		line := finding.FileOp{Path: path, Content: content}.Shell()
		if strings.Contains(line, "\n") {
			t.Errorf("content %q: the command has more than one line: %q", content, line)
		}
		if out, err := exec.Command("/bin/sh", "-c", line).CombinedOutput(); err != nil {
			t.Fatalf("run %s: %v: %s", line, err, out)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != content {
			t.Errorf("%s wrote %q, want %q", line, got, content)
		}
	}
}
