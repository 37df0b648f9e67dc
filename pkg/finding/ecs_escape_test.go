// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func TestPrintableShowsWhatDoesNotPrint(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"nginx: worker ä€𝄞 #1 \\ %": "nginx: worker ä€𝄞 #1 \\ %",
		"\x1b[31mred":               `\x1b[31mred`,
		"a\nb\r\tc":                 `a\nb\r\tc`,
		"\u009b31m":                 `\u009b31m`,
		"\u202egnp.exe":             `\u202egnp.exe`,
		"zero\u200bwidth":           `zero\u200bwidth`,
		"\xff\xfe":                  `\xff\xfe`,
		"\ufffd":                    "\ufffd",
		"cut \xe2\x82":              `cut \xe2\x82`,
		"\U000e0041":                `\U000e0041`,
		"\x7f":                      `\x7f`,
		"\u2028":                    `\u2028`,
		"no\u00a0break":             `no\u00a0break`,
	} {
		if got := finding.Printable(in); got != want {
			t.Errorf("Printable(%+q) = %+q, want %+q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b]0;x\x07\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := finding.Printable(s)
		if i := strings.IndexFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("Printable(%+q) = %+q", s, got)
		}
		if finding.Printable(got) != got {
			t.Errorf("Printable(%+q) is not stable", s)
		}
	})
}
