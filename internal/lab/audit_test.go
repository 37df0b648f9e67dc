// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// TestAuditNamesWhatShowsBeforeAnyPacket builds each scenario and has it audited, with
// no traffic and no agent: a fault that shows in settings must be named, and nothing
// else, least of all in a twin.
func TestAuditNamesWhatShowsBeforeAnyPacket(t *testing.T) {
	kerneltest.RequireRoot(t)
	binary := buildAgent(t)
	for _, s := range All() {
		t.Run(s.Name, func(t *testing.T) { auditScenario(t, binary, s) })
	}
}

func auditScenario(t *testing.T, binary string, s Scenario) {
	n := newNetwork(s.Name)
	defer func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	}()
	s.build(n)
	if n.err != nil {
		t.Fatal(n.err)
	}
	r := &run{Options: Options{Binary: binary, Scenario: s, View: s.Views[0]}, net: n}
	netns, err := r.seen()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.audit(t.Context(), netns); err != nil {
		t.Fatal(err)
	}
	for _, problem := range r.result.Problems {
		t.Error(problem)
	}
	for _, note := range r.result.Notes {
		t.Log(note)
	}
	t.Logf("%s: %s", s.Name, r.result.Audit)
}
