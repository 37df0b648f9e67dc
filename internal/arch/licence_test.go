// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package arch

import (
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	copyright = "SPDX-FileCopyrightText: The trapbpf authors"
	licence   = "SPDX-License-Identifier: "
	forGo     = licence + "Apache-2.0"
	forBPF    = licence + "GPL-2.0-only OR BSD-2-Clause"

	// headBytes is where both lines must be, behind a "#!" or a file's own marker.
	headBytes = 200
)

// headed are the kinds of file that carry the two lines themselves. REUSE.toml
// speaks for the others.
var headed = []string{".go", ".c", ".h", ".yaml", ".sh", "Makefile", "Dockerfile", "run", ".clang-format", ".editorconfig", ".dockerignore", ".gitignore"}

func TestEveryFileNamesItsLicence(t *testing.T) {
	for _, file := range files(t) {
		if !slices.Contains(headed, path.Ext(file)) && !slices.Contains(headed, path.Base(file)) {
			continue
		}
		if strings.Contains(file, "/testdata/") {
			continue
		}
		content := text(t, file)
		head := content[:min(len(content), headBytes)]
		if strings.Contains(head, "Code generated") {
			continue
		}
		want := forGo
		if strings.HasPrefix(file, "bpf/") {
			want = forBPF
		}
		if !strings.Contains(head, copyright) || !strings.Contains(head, want) {
			t.Errorf("%s: the first lines lack %q and %q", file, copyright, want)
		}
	}
}

func TestLicenceTextsAreThere(t *testing.T) {
	for _, name := range []string{"Apache-2.0", "GPL-2.0-only", "BSD-2-Clause"} {
		if len(text(t, "LICENSES/"+name+".txt")) < 1000 {
			t.Errorf("LICENSES/%s.txt is not the licence's text", name)
		}
	}
	if text(t, "LICENSE") != text(t, "LICENSES/Apache-2.0.txt") {
		t.Error("LICENSE and LICENSES/Apache-2.0.txt differ")
	}
}
