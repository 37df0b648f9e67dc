// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"path/filepath"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// TestEveryPathScenarioHasARecording holds that the events of each MTU and PMTUD scenario
// are kept beside the trap, so that a replay finds the same without a kernel.
func TestEveryPathScenarioHasARecording(t *testing.T) {
	for _, s := range All() {
		about, kind := s.Trap, "-fault.jsonl"
		if s.Twin() {
			of, err := Find(s.TwinOf)
			if err != nil {
				t.Error(err)
				continue
			}
			about, kind = of.Trap, "-twin.jsonl"
		}
		if about != finding.MTUBlackhole && about != finding.PMTUDFailure {
			continue
		}
		files, err := filepath.Glob(filepath.Join("../trap/*/testdata", s.Name+kind))
		if err != nil || len(files) != 1 {
			t.Errorf("%s has %d recordings, not one: %v %v", s.Name, len(files), files, err)
		}
	}
}
