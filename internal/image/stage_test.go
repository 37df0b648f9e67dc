// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"
)

// root is the repository, workdir where the build stage has it.
const (
	root    = "../.."
	workdir = "/src"
)

// stage is what a FROM and the lines up to the next one say.
type stage struct {
	base, name string
	copies     []copied
	runs       []string
	entrypoint []string
	cmd        []string
}

// copied is one COPY line.
type copied struct{ from, source, target string }

// stages reads the instructions that this project's Dockerfile uses.
func stages(t *testing.T) []stage {
	t.Helper()
	content, err := os.ReadFile(path.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	var all []stage
	for _, line := range instructions(string(content)) {
		words := strings.Fields(line)
		if words[0] == "FROM" {
			all = append(all, stage{base: words[1], name: words[len(words)-1]})
			continue
		}
		if err := all[len(all)-1].take(words[0], strings.TrimSpace(line[len(words[0]):])); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return all
}

// instructions joins continued lines and leaves out comments.
func instructions(dockerfile string) []string {
	var lines []string
	for _, line := range strings.Split(strings.ReplaceAll(dockerfile, "\\\n", " "), "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

func (s *stage) take(instruction, rest string) error {
	switch instruction {
	case "COPY":
		words := strings.Fields(rest)
		from, ok := strings.CutPrefix(words[0], "--from=")
		if ok {
			words = words[1:]
		}
		for _, source := range words[:len(words)-1] {
			s.copies = append(s.copies, copied{from, source, words[len(words)-1]})
		}
	case "RUN":
		s.runs = append(s.runs, rest)
	case "ENTRYPOINT":
		return json.Unmarshal([]byte(rest), &s.entrypoint)
	case "CMD":
		return json.Unmarshal([]byte(rest), &s.cmd)
	case "LABEL", "ARG", "ENV", "WORKDIR":
	default:
		return fmt.Errorf("unknown instruction %s", instruction)
	}
	return nil
}

func TestEveryBaseIsPinned(t *testing.T) {
	earlier := map[string]bool{"scratch": true}
	for _, s := range stages(t) {
		_, tag, tagged := strings.Cut(s.base, ":")
		if !earlier[s.base] && (!tagged || strings.Count(tag, ".") < 2) {
			t.Errorf("FROM %s names no exact version", s.base)
		}
		earlier[s.name] = true
	}
}

func TestLastStageIsEmptyButForTheBinaryAndLicences(t *testing.T) {
	all := stages(t)
	last, build := all[len(all)-1], all[len(all)-2]
	if last.base != "scratch" || len(last.runs) > 0 {
		t.Errorf("the last stage starts from %q and runs %q", last.base, last.runs)
	}
	for _, c := range last.copies {
		if c.from != build.name {
			t.Errorf("COPY %s comes from %q, not from the build stage", c.source, c.from)
		}
	}
	if len(build.runs) != 1 || !strings.HasPrefix(build.runs[0], "make build") {
		t.Errorf("the build stage runs %q, the test below only make build", build.runs)
	}
}
