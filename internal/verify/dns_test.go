// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"os"
	"os/exec"
	"testing"
)

func TestProcessIsKnownByItsExecutable(t *testing.T) {
	pid := uint32(os.Getpid())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ended := exec.Command(self, "-test.run=^$")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		pid              uint32
		name, executable string
		want             bool
	}{
		"its first thread has another name": {pid, "worker-7", self, true},
		"replaced on disk":                  {pid, "worker-7", self + " (deleted)", true},
		"another program has its number":    {pid, commOf(pid), "/usr/bin/other", false},
		"ended":                             {uint32(ended.Process.Pid), "worker-7", self, false},
		"only the name is known":            {pid, commOf(pid), "", true},
		"only another name is known":        {pid, "worker-7", "", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := runs(c.pid, c.name, c.executable); got != c.want {
				t.Errorf("runs: %v", got)
			}
		})
	}
}
