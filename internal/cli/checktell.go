// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/trapbpf/trapbpf/internal/audit"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// checkTeller writes the results of an audit as they come.
type checkTeller struct {
	env    Environment
	json   bool
	color  bool
	by     audit.Observer
	counts map[audit.Level]int
	netns  finding.Netns
	begun  bool
	err    error
}

func newCheckTeller(env Environment, format string, color bool) *checkTeller {
	return &checkTeller{env: env, json: format == "json", color: color, by: observer(env), counts: map[audit.Level]int{}}
}

func (t *checkTeller) tell(r audit.Result) {
	t.counts[r.Level]++
	if t.err != nil {
		return
	}
	if t.json {
		line, err := r.AppendJSON(nil, t.by)
		if err == nil {
			_, err = t.env.Stdout.Write(line)
		}
		t.err = err
		return
	}
	t.block(&r)
}

// block is a result for people: one line, and more where something is to be done.
func (t *checkTeller) block(r *audit.Result) {
	if !t.begun || t.netns != r.Netns {
		t.begun, t.netns = true, r.Netns
		name := r.Netns.Name
		if name == "" {
			name = fmt.Sprintf("net:[%d]", r.Netns.Inode)
		}
		t.printf("%s\n", t.paint("1", "namespace "+name))
	}
	what := string(r.Cause)
	if r.Level == audit.Risk || r.Level == audit.Fault {
		what = string(r.Trap) + "/" + what
	}
	if what == "" {
		what = r.Subject
	}
	t.printf("  %s  %s: %s\n", t.level(r.Level), what, r.Message)
	if r.Level == audit.OK {
		return
	}
	for _, words := range r.Evidence {
		t.printf("         why      %s\n", words)
	}
	t.steps("fix", r.Fix)
	t.steps("keep", r.Persistent)
	t.steps("undo", r.Undo)
	t.steps("verify", r.Verify)
}

func (t *checkTeller) steps(label string, steps []finding.Step) {
	for _, s := range steps {
		t.printf("         %-8s %s\n", label, s.Shell())
	}
}

// level is coloured, and five columns wide.
func (t *checkTeller) level(l audit.Level) string {
	word := fmt.Sprintf("%-5s", l)
	switch l {
	case audit.Fault:
		return t.paint("31", word)
	case audit.Risk, audit.Blind:
		return t.paint("33", word)
	default:
		return t.paint("32", word)
	}
}

func (t *checkTeller) paint(code, text string) string {
	if !t.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// printf writes one line. What comes from the host, such as an interface's name, may
// hold control characters, which must not reach the terminal.
func (t *checkTeller) printf(format string, args ...any) {
	if t.err != nil {
		return
	}
	for i, arg := range args {
		if text, ok := arg.(string); ok && !strings.HasPrefix(text, "\x1b[") {
			args[i] = strings.Map(printable, text)
		}
	}
	_, t.err = fmt.Fprintf(t.env.Stdout, format, args...)
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}

// end writes the sum, for people, and gives the command's end.
func (t *checkTeller) end() error {
	if !t.json {
		t.printf("%d ok, %d risks, %d faults, %d blind\n",
			t.counts[audit.OK], t.counts[audit.Risk], t.counts[audit.Fault], t.counts[audit.Blind])
	}
	if t.err != nil {
		return fmt.Errorf("write results: %w", t.err)
	}
	if t.counts[audit.Fault] > 0 {
		return errFindings
	}
	return nil
}
