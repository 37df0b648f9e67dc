// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package arch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/trapbpf/trapbpf/internal/cli"
	"github.com/trapbpf/trapbpf/internal/lab"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"trapbpf": func() {
		os.Exit(cli.Run(context.Background(), cli.Environment{
			Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Version: "test",
		}))
	}})
}

var (
	// block is a fenced block of shell commands.
	block = regexp.MustCompile("(?s)```sh\n(.*?)```")
	// inline is a command in code style, or on an indented line of its own.
	inline = regexp.MustCompile("(?m)(?:`|^    )((?:sudo )?(?:bin/)?trapbpf [a-z][^`\n#]*)")
	// cheap commands are run as they stand; of others only words and flags are
	// checked, since they need root, a file or minutes.
	cheap = []string{"explain", "version", "lab list"}
)

// TestCommandsInDocumentsWork runs the command lines of the documents as a script,
// as far as they can be run without root.
func TestCommandsInDocumentsWork(t *testing.T) {
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, paper := range papers(t) {
		script := scriptOf(t, text(t, paper))
		if script == "" {
			continue
		}
		name := strings.NewReplacer("/", "-", ".md", ".txtar").Replace(paper)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:   dir,
		Setup: func(env *testscript.Env) error { env.Setenv("TREE", here); return nil },
	})
}

func scriptOf(t *testing.T, paper string) string {
	t.Helper()
	var lines []string
	for _, m := range block.FindAllStringSubmatch(paper, -1) {
		lines = append(lines, strings.Split(strings.TrimSpace(m[1]), "\n")...)
	}
	for _, m := range inline.FindAllStringSubmatch(paper, -1) {
		lines = append(lines, m[1])
	}
	var script []string
	for _, line := range lines {
		script = append(script, translate(t, line)...)
	}
	return strings.Join(script, "\n")
}

// translate gives the script lines that check one command line.
func translate(t *testing.T, line string) []string {
	t.Helper()
	words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "sudo "))
	switch words[0] {
	case "make":
		return []string{"exec make -n -C $TREE " + strings.Join(words[1:], " ")}
	case "bin/trapbpf", "trapbpf":
		return translateOwn(words[1:])
	default:
		t.Errorf("%q is neither make nor trapbpf: such a line cannot be checked", line)
		return nil
	}
}

func translateOwn(words []string) []string {
	command := commandOf(words)
	whole := command != "explain" || len(words) > 1
	if slices.Contains(cheap, command) && whole && !placeholder(words) {
		return []string{"exec trapbpf " + strings.Join(words, " "), "stdout ."}
	}
	script := []string{fmt.Sprintf("exec trapbpf %s --help", command), "stdout '^  trapbpf " + command + "'"}
	for _, word := range words {
		if flag, _, _ := strings.Cut(word, "="); strings.HasPrefix(flag, "--") {
			script = append(script, "stdout '^ .*"+regexp.QuoteMeta(flag)+"'")
		}
	}
	return script
}

// commandOf gives the command and, for lab and probe, its subcommand.
func commandOf(words []string) string {
	if (words[0] == "lab" || words[0] == "probe") && len(words) > 1 {
		return words[0] + " " + words[1]
	}
	return words[0]
}

// placeholder tells whether a word stands for something: FILE, TRAP.
func placeholder(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return w == strings.ToUpper(w) && len(w) > 1 })
}

// Scenarios that pages and documents name must be in the lab.
func TestScenariosInDocumentsExist(t *testing.T) {
	run := regexp.MustCompile(`trapbpf lab run ([a-z][a-z-]*)`)
	for _, paper := range papers(t) {
		for _, m := range run.FindAllStringSubmatch(text(t, paper), -1) {
			if _, err := lab.Find(m[1]); err != nil {
				t.Errorf("%s: %v", paper, err)
			}
		}
	}
}
