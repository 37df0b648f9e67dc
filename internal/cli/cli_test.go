// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run runs one command as a script would: no terminal, no environment.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(context.Background(), Environment{
		Args: args, Stdout: &out, Stderr: &errs, Version: "test",
		Getenv: func(string) string { return "" },
	})
	return code, out.String(), errs.String()
}

func TestMistakesAreOneLineWithTheWordMeant(t *testing.T) {
	dir := t.TempDir()
	config := func(text string) string {
		path := filepath.Join(dir, strings.Map(func(r rune) rune {
			if r < 'a' || r > 'z' {
				return '-'
			}
			return r
		}, text)+".yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"unknown command":   {[]string{"wach"}, exitUsage, `unknown command "wach": did you mean "watch"?`},
		"unknown flag":      {[]string{"watch", "--ntns", "x"}, exitUsage, `unknown flag "--ntns": did you mean "--netns"?`},
		"unknown trap":      {[]string{"watch", "--trap", "asymetric-routing"}, exitUsage, `did you mean "asymmetric-routing"?`},
		"unknown namespace": {[]string{"watch", "--netns", "no-such-namespace"}, exitUsage, `no network namespace "no-such-namespace"`},
		"unknown output":    {[]string{"watch", "--output", "jsn"}, exitUsage, `did you mean "json"?`},
		"unknown colour":    {[]string{"watch", "--color", "alway"}, exitUsage, `did you mean "always"?`},
		"unknown severity":  {[]string{"watch", "--min-severity", "hihg"}, exitUsage, `did you mean "high"?`},
		"bad duration":      {[]string{"watch", "--for", "soon"}, exitUsage, `"--for"`},
		"negative duration": {[]string{"watch", "--for", "-1s"}, exitUsage, "must not be negative"},
		"no quiet period":   {[]string{"watch", "--quiet-period", "0s"}, exitUsage, "longer than nothing"},
		"an argument more":  {[]string{"watch", "everything"}, exitUsage, "usage: trapbpf watch"},
		"no file":           {[]string{"record"}, exitUsage, "usage: trapbpf record FILE"},
		"unknown page":      {[]string{"explain", "rp-filter-strickt"}, exitUsage, `did you mean "rp-filter-strict"?`},
		"unknown scenario":  {[]string{"lab", "run", "rp-filtr"}, exitUsage, `did you mean "rp-filter"?`},
		"no scenario":       {[]string{"lab", "run"}, exitUsage, "see `trapbpf lab list`"},
		"no recording":      {[]string{"replay", filepath.Join(dir, "none")}, exitError, "no such file"},
		"config key":        {[]string{"watch", "--config", config("trap: []\nnets: x\n")}, exitUsage, `:2: unknown key "nets": did you mean "netns"?`},
		"config list":       {[]string{"watch", "--config", config("color: [a, b]\n")}, exitUsage, ":1: color: expected one value"},
		"config value":      {[]string{"watch", "--config", config("for: soon\n")}, exitUsage, ":1: for:"},
		"config no mapping": {[]string{"watch", "--config", config("- a\n")}, exitUsage, "expected `key: value` lines"},
		"config no YAML":    {[]string{"watch", "--config", config("a: [\n")}, exitUsage, "yaml"},
		"config directory":  {[]string{"watch", "--config", dir}, exitUsage, "is a directory"},
		"config missing":    {[]string{"watch", "--config", filepath.Join(dir, "none")}, exitUsage, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, c.args...)
			if code != c.code || stdout != "" {
				t.Errorf("exit %d, stdout %q", code, stdout)
			}
			if !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("stderr %q, want one line with %q", stderr, c.says)
			}
		})
	}
}

func TestReplayUsesWhatIsReadableAndSaysWhatIsNot(t *testing.T) {
	whole, err := os.ReadFile("../trap/asymmetric/testdata/rp-filter-fault.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	code, good, _ := run(t, "replay", file("whole", whole))
	if code != exitFindings || strings.Count(good, "\n") < 2 {
		t.Fatalf("exit %d, %q", code, good)
	}
	first := strings.SplitAfter(good, "\n")[0]
	for name, damage := range map[string]struct {
		text []byte
		says string
	}{
		"cut":  {whole[:len(whole)-20], "cut in the middle of a line"},
		"long": {append(bytes.Clone(whole), bytes.Repeat([]byte("x"), 10<<20)...), "longer than"},
	} {
		code, stdout, stderr := run(t, "replay", file(name, damage.text))
		if code != exitError || !strings.HasPrefix(stdout, first) || !strings.Contains(stderr, damage.says) {
			t.Errorf("%s: exit %d, stderr %q, stdout of %d bytes", name, code, stderr, len(stdout))
		}
	}
	newer := bytes.Replace(whole, []byte(`"format":1`), []byte(`"format":9`), 1)
	if code, stdout, stderr := run(t, "replay", file("newer", newer)); code != exitError || stdout != "" || !strings.Contains(stderr, "use a newer trapbpf") {
		t.Errorf("newer: exit %d, %q", code, stderr)
	}
}

func TestReplayObeysTrapAndSeverity(t *testing.T) {
	const fault = "../trap/asymmetric/testdata/rp-filter-fault.jsonl"
	if code, stdout, _ := run(t, "replay", "--trap", "time-wait-exhaustion", fault); code != exitOK || stdout != "" {
		t.Errorf("another trap: exit %d, %q", code, stdout)
	}
	if _, stdout, _ := run(t, "replay", "--min-severity", "critical", fault); stdout != "" {
		t.Errorf("higher severity: %q", stdout)
	}
	for _, format := range formats() {
		if code, stdout, stderr := run(t, "replay", "--output", format, fault); code != exitFindings || !strings.Contains(stdout, "c-r2") {
			t.Errorf("%s: exit %d, stderr %q", format, code, stderr)
		}
	}
}

func TestExplainPrintsPagesAndSections(t *testing.T) {
	for _, topic := range topics() {
		code, stdout, _ := run(t, "explain", topic)
		if code != exitOK || !strings.Contains(stdout, topic) {
			t.Errorf("explain %s: exit %d", topic, code)
		}
	}
	_, section, _ := run(t, "explain", "martian-source")
	if !strings.HasPrefix(section, "## martian-source\n") || strings.Count(section, "\n## ") != 0 {
		t.Errorf("section %q", section)
	}
}

func TestCommandsTellOfThemselves(t *testing.T) {
	for _, args := range [][]string{
		{"version"}, {"man"}, {"--help"}, {"watch", "--help"}, {"lab", "list"}, {"lab", "list", "--output", "json"},
		{"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"},
	} {
		if code, stdout, stderr := run(t, args...); code != exitOK || stdout == "" || stderr != "" {
			t.Errorf("%v: exit %d, stderr %q", args, code, stderr)
		}
	}
}

func TestManualPageForEveryCommand(t *testing.T) {
	dir := t.TempDir()
	if code, _, stderr := run(t, "man", "--dir", dir); code != exitOK {
		t.Fatal(stderr)
	}
	for _, name := range []string{"trapbpf.8", "trapbpf-watch.8", "trapbpf-lab-run.8"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Contains(text, []byte(".TH")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
