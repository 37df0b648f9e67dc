// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// shellReads gives the words as /bin/sh passes them to a command.
func shellReads(t *testing.T, words string) []string {
	t.Helper()
	out, err := exec.Command("/bin/sh", "-c", "printf '%s\\0' "+words).Output()
	if err != nil {
		t.Fatalf("sh reads %q: %v", words, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

var oddWords = []string{
	"", "eth0", "eth0.100", "it's", "''", "a b", "$HOME", "`id`", "$(id)", "*", "~", "#no", "a\\b",
	"\"q\"", "a;b", "a|b", "a&b", "(x)", "{a,b}", "!x", "a=b", "-n", "\x1b[31m", "å", "line\nbreak", "\\",
}

func TestQuotedWordsAreReadBackUnchangedByTheShell(t *testing.T) {
	for _, word := range oddWords {
		got := shellReads(t, finding.Quote(word))
		if len(got) != 1 || got[0] != word {
			t.Errorf("%q: the shell reads %q from %s", word, got, finding.Quote(word))
		}
	}
}

func TestPlainWordsAreNotQuoted(t *testing.T) {
	for _, word := range []string{"eth0", "net.ipv4.conf.all.rp_filter=2", "10.0.0.0/8", "/run/netns/a", "2001:db8::1"} {
		if got := finding.Quote(word); got != word {
			t.Errorf("quote %q: got %s", word, got)
		}
	}
}

func FuzzQuotedWordIsReadBackUnchangedByTheShell(f *testing.F) {
	for _, word := range oddWords {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if strings.Contains(word, "\x00") || len(word) > 4096 {
			t.Skip("no argument can hold it")
		}
		if got := shellReads(t, finding.Quote(word)); len(got) != 1 || got[0] != word {
			t.Errorf("%q: the shell reads %q", word, got)
		}
	})
}
