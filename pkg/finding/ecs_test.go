// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/trapbpf/trapbpf/internal/golden"
	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func encode(t testing.TB, r *finding.Record) []byte {
	t.Helper()
	line, err := finding.AppendJSON(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(finding.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("record.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("record.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(schema *jsonschema.Schema, line []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func TestLinesAreWhatTheGoldensHold(t *testing.T) {
	for _, s := range sample.All() {
		t.Run(s.Name, func(t *testing.T) {
			var indented bytes.Buffer
			if err := json.Indent(&indented, encode(t, s.Record), "", "  "); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "testdata/"+s.Name+".json", indented.String()+"\n")
		})
	}
}

func TestLinesObeyTheSchema(t *testing.T) {
	schema := compileSchema(t)
	for _, s := range sample.All() {
		if err := validate(schema, encode(t, s.Record)); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

func TestSchemaRefusesWhatTheContractForbids(t *testing.T) {
	schema := compileSchema(t)
	for name, spoil := range map[string]func(*finding.Record){
		"unknown trap":                func(r *finding.Record) { r.Trap = "gremlins" },
		"unknown cause":               func(r *finding.Record) { r.Cause = "gremlins" },
		"cause of another trap":       func(r *finding.Record) { r.Cause = "stale-answer" },
		"severity between the steps":  func(r *finding.Record) { r.Severity = 50 },
		"confidence above 100":        func(r *finding.Record) { r.Confidence = 101 },
		"opened and resolved at once": func(r *finding.Record) { r.Status = finding.Resolved },
		"opened without an alert":     func(r *finding.Record) { r.Alert = false },
		"resolved with an alert":      func(r *finding.Record) { r.Action, r.Status = finding.Closed, finding.Resolved },
		"unknown action":              func(r *finding.Record) { r.Action = "finding-guessed" },
		"no message":                  func(r *finding.Record) { r.Message = "" },
		"no finding id":               func(r *finding.Record) { r.Finding.ID = "" },
		"record id that is no UUID":   func(r *finding.Record) { r.ID = "1" },
		"sequence 0":                  func(r *finding.Record) { r.Sequence = 0 },
		"transport of no known kind":  func(r *finding.Record) { r.Flow.Transport = "TCP" },
		"error code that is no errno": func(r *finding.Record) { r.ErrorCode = "timed out" },
		"forecast in the past":        func(r *finding.Record) { left := -1.0; r.Ports = &finding.Ports{SecondsLeft: &left} },
		"resolved address of no kind": func(r *finding.Record) { r.DNS = &finding.DNS{StaleIP: "db.example"} },
	} {
		r := sample.RPFilter(finding.Opened)
		spoil(r)
		if err := validate(schema, encode(t, r)); err == nil {
			t.Errorf("%s: the schema accepts it", name)
		}
	}
}

func TestSchemaClosesEveryObject(t *testing.T) {
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if v["type"] == "object" && v["additionalProperties"] != false {
				t.Errorf("%s is open", path)
			}
			for key, child := range v {
				walk(path+"/"+key, child)
			}
		case []any:
			for i, child := range v {
				walk(fmt.Sprint(path, "/", i), child)
			}
		}
	}
	var doc any
	if err := json.Unmarshal([]byte(finding.Schema()), &doc); err != nil {
		t.Fatal(err)
	}
	walk("", doc)
}

func TestLinesHaveNoArrayOfObjectsAndNoEmptyField(t *testing.T) {
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if len(v) == 0 {
				t.Errorf("%s is an empty object", path)
			}
			for key, child := range v {
				walk(path+"."+key, child)
			}
		case []any:
			if len(v) == 0 {
				t.Errorf("%s is an empty list", path)
			}
			for _, child := range v {
				if reflect.TypeOf(child).Kind() != reflect.String {
					t.Errorf("%s holds %T", path, child)
				}
			}
		case string:
			if v == "" {
				t.Errorf("%s is an empty string", path)
			}
		}
	}
	for _, s := range sample.All() {
		var doc any
		if err := json.Unmarshal(encode(t, s.Record), &doc); err != nil {
			t.Fatal(err)
		}
		walk(s.Name, doc)
	}
}

func TestSameRecordGivesSameBytesAndIsLeftAlone(t *testing.T) {
	for _, s := range sample.All() {
		before := fmt.Sprintf("%+v", *s.Record)
		first, second := encode(t, s.Record), encode(t, s.Record)
		if !bytes.Equal(first, second) {
			t.Errorf("%s: %s", s.Name, golden.Diff(string(first), string(second)))
		}
		if after := fmt.Sprintf("%+v", *s.Record); after != before {
			t.Errorf("%s: encoding changed the record: %s", s.Name, golden.Diff(before, after))
		}
	}
}

func TestLineKeepsWhatDstHeld(t *testing.T) {
	line, err := finding.AppendJSON([]byte("kept"), sample.BindPool())
	if err != nil || !bytes.HasPrefix(line, []byte(`kept{"@timestamp":`)) {
		t.Errorf("got %.40s, %v", line, err)
	}
}

func TestLinesAreCompactAndHoldNothingThatCommandsATerminal(t *testing.T) {
	for _, s := range sample.All() {
		line := encode(t, s.Record)
		if !utf8.Valid(line) {
			t.Errorf("%s is not valid UTF-8", s.Name)
		}
		for i, r := range string(line) {
			if !unicode.IsPrint(r) {
				t.Errorf("%s: byte %d is %U", s.Name, i, r)
			}
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, line); err != nil || !bytes.Equal(compact.Bytes(), line) {
			t.Errorf("%s is not compact JSON: %v", s.Name, err)
		}
	}
}

func TestHostileNamesComeBackAsTheyWere(t *testing.T) {
	r := sample.Hostile()
	doc, err := finding.ParseRecord(encode(t, r))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ToValidUTF8(r.Process.Name, "\ufffd")
	if doc.Process.Name != want {
		t.Errorf("process name is %+q, want %+q", doc.Process.Name, want)
	}
	if doc.Trapbpf.Fix[0] != strings.ToValidUTF8(r.Fix[0].Shell(), "\ufffd") {
		t.Errorf("fix is %+q", doc.Trapbpf.Fix[0])
	}
}

func TestParsedLinesEncodeToTheSameBytes(t *testing.T) {
	for _, s := range sample.All() {
		line := encode(t, s.Record)
		doc, err := finding.ParseRecord(line)
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		// Invalid UTF-8 is written as an escape and read as the character.
		line = bytes.ReplaceAll(line, []byte(`\ufffd`), []byte("\ufffd"))
		again, err := finding.EncodeJSON(doc)
		if err != nil || !bytes.Equal(line, again) {
			t.Errorf("%s: %v: %s", s.Name, err, golden.Diff(string(line), string(again)))
		}
	}
}

func TestParseRefusesWhatIsNoFinding(t *testing.T) {
	if _, err := finding.ParseRecord([]byte(`{"event":{"dataset":"trapbpf.agent"}}`)); !errors.Is(err, finding.ErrNotFinding) {
		t.Errorf("agent event: %v", err)
	}
	for _, line := range []string{"", "null", "[]", "{", `{"@timestamp":"yesterday"}`, `{"event":{"sequence":-1}}`} {
		if _, err := finding.ParseRecord([]byte(line)); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}

func TestParseReadsWhatANewerAgentWrote(t *testing.T) {
	line := encode(t, sample.RPFilter(finding.Opened))
	newer := bytes.Replace(line, []byte(`"ecs":{`), []byte(`"weather":{"rain":true},"ecs":{"mood":"good",`), 1)
	doc, err := finding.ParseRecord(newer)
	if err != nil || doc.Trapbpf.Route.Expected != "wan0" {
		t.Errorf("got %+v, %v", doc, err)
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, s := range sample.All() {
		f.Add(encode(f, s.Record))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		doc, err := finding.ParseRecord(line)
		if err != nil {
			return
		}
		if _, err := finding.EncodeJSON(doc); err != nil {
			t.Errorf("what was read does not encode: %v", err)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	for _, s := range sample.All() {
		b.Run(s.Name, func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = finding.AppendJSON(buf[:0], s.Record)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}
