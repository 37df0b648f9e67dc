// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// write puts files below a fresh folder and gives the path of the main one.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "main.yaml")
}

func TestEachLayerIsStrongerThanTheOneBefore(t *testing.T) {
	path := write(t, map[string]string{
		"main.yaml": "quiet-period: 1s\nlog-level: warn\nmin-severity: medium\nnetns: [a]\n" +
			"sinks: {one: {stdout: {}}, two: {file: {path: /one}}}\n",
		"conf.d/20.yaml": "log-level: error\nsinks: {two: {file: {path: /two}}}\n",
		"conf.d/10.yaml": "quiet-period: 2s\nlog-level: debug\n",
		"conf.d/not-me":  "log-level: nonsense\n",
	})
	got, err := Load(Source{
		Path:    path,
		Environ: []string{"TRAPBPF_MIN_SEVERITY=high", "TRAPBPF_NETNS=[b, c]", "HOME=/x", "TRAPBPF_MUST_PRIVILEGED=1"},
		Flags:   map[string]any{"netns": []string{"d"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.QuietPeriod != 2*time.Second || got.LogLevel != "error" || got.MinSeverity != Severity(finding.High) {
		t.Errorf("got %+v", got)
	}
	if !reflect.DeepEqual(got.Netns, []string{"d"}) {
		t.Errorf("netns %q: the flag is strongest, and lists are replaced", got.Netns)
	}
	if len(got.Sinks) != 2 || got.Sinks["two"].File.Path != "/two" || got.Sinks["one"].Stdout == nil {
		t.Errorf("sinks %+v: those of all files are there, by name", got.Sinks)
	}
}

func TestEveryMistakeHasItsPlaceAndOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		text, says string
		environ    []string
		flags      map[string]any
	}{
		"unknown key":         {text: "trap: []\nnets: []\n", says: `main.yaml:2: unknown key "nets": did you mean "netns"?`},
		"unknown deeper":      {text: "sinks:\n  a:\n    file:\n      pth: /x\n", says: `main.yaml:4: unknown key "pth": did you mean "path"?`},
		"no duration":         {text: "quiet-period: soon\n", says: `main.yaml:1: expected a duration such as 30s, found "soon"`},
		"list for a word":     {text: "\noutput: [json]\n", says: "main.yaml:2: expected a word, found a list"},
		"word for a list":     {text: "trap: {}\n", says: "main.yaml:1: expected a list, found"},
		"no mapping":          {text: "- a\n", says: "main.yaml:1: expected `key: value` lines, found a list"},
		"no YAML":             {text: "a: [\n", says: "main.yaml:"},
		"tab":                 {text: "sinks:\n\ta: 1\n", says: "main.yaml:2: found character"},
		"key twice":           {text: "output: json\noutput: cef\n", says: "main.yaml:2: mapping key"},
		"two documents":       {text: "output: json\n---\noutput: cef\n", says: "more than one document"},
		"unknown trap":        {text: "trap:\n- mtu-blackhol\n", says: `main.yaml:1: trap: unknown word "mtu-blackhol": did you mean "mtu-blackhole"?`},
		"unknown severity":    {text: "# me\nmin-severity: hihg\n", says: `main.yaml:2: unknown severity "hihg": did you mean "high"?`},
		"unknown output":      {text: "output: jsn\n", says: `main.yaml:1: output: unknown word "jsn": did you mean "json"?`},
		"unknown level":       {text: "log-level: loud\n", says: "main.yaml:1: log-level: unknown word"},
		"no quiet period":     {text: "quiet-period: 0s\n", says: "main.yaml:1: quiet-period: must be longer"},
		"negative time":       {text: "for: -1s\n", says: "main.yaml:1: for: must not be negative"},
		"no kind":             {text: "sinks:\n  a:\n    encoding: ecs\n", says: "main.yaml:2: sinks.a: names no kind of sink: give one of stdout, file"},
		"two kinds":           {text: "sinks:\n  a:\n    stdout: {}\n    file: {path: /x}\n", says: "main.yaml:2: sinks.a: is file and stdout at once"},
		"unknown encoding":    {text: "sinks:\n  a:\n    stdout: {}\n    encoding: oscf\n", says: `main.yaml:4: sinks.a.encoding: unknown word "oscf": did you mean "ocsf"?`},
		"negative queue":      {text: "sinks: {a: {stdout: {}, queue: -1}}\n", says: "main.yaml:1: sinks.a.queue: must not be negative"},
		"relative path":       {text: "sinks:\n  a:\n    file:\n      path: x\n", says: "main.yaml:4: sinks.a.file.path: must be an absolute path"},
		"small file":          {text: "sinks:\n  a:\n    file:\n      path: /x\n      max-size: 1KiB\n", says: "main.yaml:5: sinks.a.file.max-size: must be 8192 bytes or more"},
		"no size":             {text: "sinks:\n  a:\n    file:\n      path: /x\n      max-size: big\n", says: `"big" is no size`},
		"mistake in variable": {environ: []string{"TRAPBPF_QUIET_PERIOD=soon"}, says: "TRAPBPF_QUIET_PERIOD: expected a duration"},
		"value of variable":   {environ: []string{"TRAPBPF_OUTPUT=jsn"}, says: "TRAPBPF_OUTPUT: output: unknown word"},
		"unknown variable":    {environ: []string{"TRAPBPF_OUTPT=json"}, says: `TRAPBPF_OUTPT: unknown variable: did you mean "TRAPBPF_OUTPUT"?`},
		"mistake in flag":     {flags: map[string]any{"output": "jsn"}, says: "command line: output: unknown word"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(Source{Path: write(t, map[string]string{"main.yaml": c.text}), Environ: c.environ, Flags: c.flags})
			var mistake *Error
			if !errors.As(err, &mistake) {
				t.Fatalf("error %v", err)
			}
			if text := err.Error(); !strings.Contains(text, c.says) || strings.Contains(text, "\n") {
				t.Errorf("error %q, want one line with %q", text, c.says)
			}
		})
	}
}

func TestFilesThatAreNone(t *testing.T) {
	long := write(t, map[string]string{"main.yaml": strings.Repeat("# x\n", maxFile)})
	for path, says := range map[string]string{
		t.TempDir():                        "is a directory",
		filepath.Join(t.TempDir(), "none"): "no such file",
		long:                               "is longer than",
		"/dev/null":                        "not a file",
	} {
		if _, err := Load(Source{Path: path}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want %q", path, err, says)
		}
	}
	if _, err := Load(Source{Path: write(t, map[string]string{"main.yaml": ""})}); err != nil {
		t.Errorf("an empty file says nothing, and is no mistake: %v", err)
	}
}

// The printed file is the documentation of the keys: it gives the defaults, and its
// commented examples are good.
func TestDefaultTextIsTheDefaultAndNamesEveryKey(t *testing.T) {
	plain, err := Load(Source{Path: write(t, map[string]string{"main.yaml": string(Text())})})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Trap, want.Netns, want.Sinks = []string{}, []string{}, map[string]Sink{}
	if !reflect.DeepEqual(plain, want) {
		t.Errorf("the text gives %+v, the default is %+v", plain, want)
	}
	example := exampleOf(string(Text()))
	if _, err := Load(Source{Path: write(t, map[string]string{"main.yaml": example})}); err != nil {
		t.Errorf("its examples: %v\n%s", err, example)
	}
	for _, at := range structs() {
		for f := range fields(at) {
			if !strings.Contains(example, keyOf(f)+":") {
				t.Errorf("the text does not name %s.%s", at, keyOf(f))
			}
		}
	}
}

// exampleOf uncomments the examples: lines whose "#" stands at the margin, with two
// spaces behind it.
func exampleOf(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line == "sinks: {}" {
			lines[i] = "sinks:"
		}
		if rest, ok := strings.CutPrefix(line, "#  "); ok {
			lines[i] = "  " + rest
		}
	}
	return strings.Join(lines, "\n")
}
