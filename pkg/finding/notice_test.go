// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/trapbpf/trapbpf/internal/golden"
	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func TestNoticesAreWhatTheGoldenHoldsAndObeyTheirSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(finding.AgentSchema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("agent.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("agent.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, s := range sample.Notices() {
		line := encode(t, s.Record)
		if err := validate(schema, line); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if _, err := finding.ParseRecord(line); !errors.Is(err, finding.ErrNotFinding) {
			t.Errorf("%s is read as a finding: %v", s.Name, err)
		}
		lines.Write(append(line, '\n'))
	}
	golden.Check(t, "testdata/notices.jsonl", lines.String())
}

func TestNoticesHaveNoRuleAndNoSequence(t *testing.T) {
	for _, s := range sample.Notices() {
		line := string(encode(t, s.Record))
		for _, key := range []string{`"rule"`, `"sequence"`} {
			if strings.Contains(line, key) {
				t.Errorf("%s has %s: %s", s.Name, key, line)
			}
		}
	}
}

func TestNoticeWithAnEndlessCauseIsALineThatFits(t *testing.T) {
	r := sample.Notices()[0].Record
	r.Notice.Why = strings.Repeat("\x00", 1<<20)
	if n := len(encode(t, r)); n >= finding.MaxLine {
		t.Errorf("%d bytes", n)
	}
}

func TestFindingsGoBeforeNoticesAndUpdates(t *testing.T) {
	for action, want := range map[finding.Action]bool{
		finding.Opened: false, finding.Closed: false, finding.Updated: true, finding.SinkFailing: true, finding.EventsLost: true,
	} {
		if got := action.Expendable(false); got != want {
			t.Errorf("%s is expendable: %v", action, got)
		}
	}
	if finding.Updated.Expendable(true) {
		t.Error("an alert is expendable")
	}
}
