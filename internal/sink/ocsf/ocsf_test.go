// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ocsf_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/trapbpf/trapbpf/internal/golden"
	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/internal/sink/ocsf"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func encode(t testing.TB, r *finding.Record) []byte {
	t.Helper()
	line, err := ocsf.Encoder{}.Append(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func decode(t testing.TB, r *finding.Record) map[string]any {
	t.Helper()
	var event map[string]any
	if err := json.Unmarshal(encode(t, r), &event); err != nil {
		t.Fatal(err)
	}
	return event
}

// at walks to a value: names and list places.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

func TestLinesAreWhatTheGoldensHold(t *testing.T) {
	for _, s := range sample.All() {
		t.Run(s.Name, func(t *testing.T) {
			var indented bytes.Buffer
			if err := json.Indent(&indented, encode(t, s.Record), "", "  "); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "testdata/"+s.Name+".json", indented.Bytes())
		})
	}
}

func TestActionsAreActivitiesOfClass2004(t *testing.T) {
	for action, want := range map[finding.Action][4]any{
		finding.Opened:  {1.0, "Create", 200401.0, 1.0},
		finding.Updated: {2.0, "Update", 200402.0, 1.0},
		finding.Closed:  {3.0, "Close", 200403.0, 4.0},
	} {
		e := decode(t, sample.RPFilter(action))
		got := [4]any{e["activity_id"], e["activity_name"], e["type_uid"], e["status_id"]}
		if got != want || e["class_uid"] != 2004.0 || e["category_uid"] != 2.0 {
			t.Errorf("%s: %v, want %v", action, got, want)
		}
	}
}

// The attributes that the class and its objects require in 1.8.0, and the
// at_least_one constraints of those that the record fills.
func TestRequiredAttributesAreThere(t *testing.T) {
	required := [][]any{
		{"activity_id"}, {"category_uid"}, {"class_uid"}, {"type_uid"}, {"severity_id"}, {"time"},
		{"metadata", "version"}, {"metadata", "product", "vendor_name"},
		{"finding_info", "uid"}, {"finding_info", "analytic", "type_id"},
		{"device", "type_id"}, {"device", "os", "name"}, {"device", "os", "type_id"},
	}
	for _, s := range sample.All() {
		e := decode(t, s.Record)
		for _, path := range required {
			if at(e, path...) == nil {
				t.Errorf("%s lacks %v", s.Name, path)
			}
		}
		if at(e, "metadata", "version") != "1.8.0" {
			t.Errorf("%s: version %v", s.Name, at(e, "metadata", "version"))
		}
		for i := range e["evidences"].([]any) {
			checkEvidence(t, s.Name, at(e, "evidences", i).(map[string]any))
		}
	}
}

func checkEvidence(t *testing.T, name string, evidence map[string]any) {
	t.Helper()
	if len(evidence) == 0 {
		t.Errorf("%s has an empty evidence", name)
	}
	for attribute, needs := range map[string][]string{
		"connection_info": {"direction_id"}, "process": {"pid"}, "query": {"hostname"},
		"src_endpoint": {"ip", "interface_name"}, "dst_endpoint": {"ip", "interface_name"},
	} {
		object, there := evidence[attribute].(map[string]any)
		if !there {
			continue
		}
		met := false
		for _, need := range needs {
			met = met || object[need] != nil
		}
		if !met {
			t.Errorf("%s: %s has none of %v: %v", name, attribute, needs, object)
		}
	}
}

func TestObservablesPointAtTheirValue(t *testing.T) {
	for _, s := range sample.All() {
		e := decode(t, s.Record)
		for _, o := range e["observables"].([]any) {
			name := at(o, "name").(string)
			rest, ok := strings.CutPrefix(name, "evidences[0].")
			if !ok {
				t.Fatalf("observable %q", name)
			}
			path := []any{"evidences", 0}
			for part := range strings.SplitSeq(rest, ".") {
				path = append(path, part)
			}
			if at(e, path...) != at(o, "value") {
				t.Errorf("%s: %s is %v, the observable says %v", s.Name, name, at(e, path...), at(o, "value"))
			}
		}
	}
}

func TestNothingOfARecordIsLost(t *testing.T) {
	for _, s := range sample.All() {
		line, err := finding.AppendJSON(nil, s.Record)
		if err != nil {
			t.Fatal(err)
		}
		var ecs map[string]any
		if err := json.Unmarshal(line, &ecs); err != nil {
			t.Fatal(err)
		}
		got, want := fmt.Sprint(at(decode(t, s.Record), "unmapped", "trapbpf")), fmt.Sprint(ecs["trapbpf"])
		if s.Name != "giant" && s.Name != "hostile" && got != want {
			t.Errorf("%s: unmapped.trapbpf differs from the ECS line: %s", s.Name, golden.Diff(want, got))
		}
	}
}

func TestEachRecordIsOneHarmlessLineOfLimitedLength(t *testing.T) {
	for _, s := range sample.All() {
		line := encode(t, s.Record)
		if len(line) > ocsf.MaxLine {
			t.Errorf("%s has %d bytes", s.Name, len(line))
		}
		body, ended := strings.CutSuffix(string(line), "\n")
		if !ended || strings.ContainsFunc(body, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: %+q", s.Name, line)
		}
	}
}

func TestEndlessNamesAndLongFixStillFit(t *testing.T) {
	r := sample.Giant()
	r.Process.Name = strings.Repeat("\u202e", 9000)
	r.Fix = r.Fix[:1]
	r.Fix[0].Op = finding.Command{Line: "echo " + strings.Repeat("\x01", 800)}
	if line := encode(t, r); len(line) > ocsf.MaxLine {
		t.Errorf("%d bytes", len(line))
	}
}

func TestSeverityAndConfidenceHaveTheirNames(t *testing.T) {
	for severity, want := range map[finding.Severity]float64{
		finding.Low: 2, finding.Medium: 3, finding.High: 4, finding.Critical: 5,
	} {
		r := sample.BindPool()
		r.Severity = severity
		if e := decode(t, r); e["severity_id"] != want || e["risk_score"] != float64(severity) {
			t.Errorf("severity %d: %v, risk %v", severity, e["severity_id"], e["risk_score"])
		}
	}
	for confidence, want := range map[int]string{0: "Low", 33: "Low", 34: "Medium", 66: "Medium", 67: "High", 100: "High"} {
		r := sample.BindPool()
		r.Confidence = confidence
		if e := decode(t, r); e["confidence"] != want {
			t.Errorf("confidence %d is %v, want %s", confidence, e["confidence"], want)
		}
	}
}
