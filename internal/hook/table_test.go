// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package hook

import (
	"regexp"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
)

func TestEveryRungHasItsPrograms(t *testing.T) {
	for _, row := range Table() {
		spec := object(t, row)
		if len(row.Rungs) == 0 {
			t.Errorf("%s has no rung", row.Name)
		}
		for _, rung := range row.Rungs {
			for _, name := range rung.Programs {
				if spec.Programs[name] == nil {
					t.Errorf("%s, rung %s: the object has no program %s", row.Name, rung.Name, name)
				}
			}
		}
	}
}

func object(t *testing.T, row Row) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := row.Object()
	if err != nil {
		t.Fatalf("%s: %v", row.Name, err)
	}
	return spec
}

func TestEveryProgramStandsOnARung(t *testing.T) {
	used := map[string]bool{}
	for _, row := range Table() {
		for _, rung := range row.Rungs {
			for _, name := range rung.Programs {
				used[name] = true
			}
		}
	}
	for _, row := range Table() {
		for name := range object(t, row).Programs {
			if !used[name] {
				t.Errorf("program %s is on no rung", name)
			}
		}
	}
}

func TestRowNamesAreUniqueAndKernelsAreVersions(t *testing.T) {
	version := regexp.MustCompile(`^\d+\.\d+$`)
	var names []string
	for _, row := range Table() {
		if slices.Contains(names, row.Name) {
			t.Errorf("two rows are called %s", row.Name)
		}
		names = append(names, row.Name)
		if !version.MatchString(row.Since) {
			t.Errorf("%s: since %q is no version", row.Name, row.Since)
		}
	}
}

func TestProgramsMayBeLoadedByAnyKernel(t *testing.T) {
	for _, row := range Table() {
		for name, program := range object(t, row).Programs {
			if program.License != "Dual BSD/GPL" {
				t.Errorf("%s: licence %q: the kernel's helpers need one that is compatible", name, program.License)
			}
		}
	}
}
