// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package columns_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/trapbpf/trapbpf/internal/golden"
	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/internal/sink/columns"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func show(t testing.TB, o columns.Options, r *finding.Record) string {
	t.Helper()
	text, err := columns.Encoder{Options: o}.Append(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func showAll(t testing.TB, o columns.Options) string {
	t.Helper()
	var all strings.Builder
	for _, s := range sample.All() {
		if s.Name != "giant" {
			all.WriteString(show(t, o, s.Record))
		}
	}
	return all.String()
}

func TestBlocksAreWhatTheGoldensHold(t *testing.T) {
	golden.Check(t, "testdata/unwrapped.txt", showAll(t, columns.Options{}))
	golden.Check(t, "testdata/wide-80.txt", showAll(t, columns.Options{Width: 80}))
	golden.Check(t, "testdata/color.txt", showAll(t, columns.Options{Width: 100, Color: true}))
}

func TestNothingButPrintableTextAndOwnColoursReachesTheTerminal(t *testing.T) {
	for _, color := range []bool{false, true} {
		for _, s := range sample.All() {
			text := show(t, columns.Options{Color: color, Width: 72}, s.Record)
			if color {
				text = withoutColour(text)
			}
			for i, r := range text {
				if r != '\n' && !unicode.IsPrint(r) {
					t.Fatalf("%s, colour %v: byte %d is %U in %+q", s.Name, color, i, r, text)
				}
			}
			if !utf8.ValidString(text) {
				t.Errorf("%s is not valid UTF-8", s.Name)
			}
		}
	}
}

// withoutColour takes out the sequences that the encoder itself writes, and no other.
func withoutColour(text string) string {
	for _, codes := range []string{"0", "1", "2", "36", "31;1", "32;1", "33;1", "34;1", "31", "32", "33", "34"} {
		text = strings.ReplaceAll(text, "\x1b["+codes+"m", "")
	}
	return text
}

func TestColourChangesNothingElse(t *testing.T) {
	plain := showAll(t, columns.Options{Width: 90})
	if painted := withoutColour(showAll(t, columns.Options{Width: 90, Color: true})); painted != plain {
		t.Error(golden.Diff(plain, painted))
	}
}

func TestEveryCommandIsWholeOnItsLine(t *testing.T) {
	r := sample.RPFilter(finding.Opened)
	text := show(t, columns.Options{Width: 40}, r)
	for _, list := range [][]finding.Step{r.Fix, r.Persistent, r.Undo, r.Verify} {
		for _, step := range list {
			if !strings.Contains(text, " "+step.Shell()+"\n") {
				t.Errorf("%s does not end a line of:\n%s", step.Shell(), text)
			}
		}
	}
}

func TestTextStaysWithinTheWidth(t *testing.T) {
	r := sample.RPFilter(finding.Opened)
	r.Fix, r.Persistent, r.Undo, r.Verify = nil, nil, nil, nil
	r.Evidence = append(r.Evidence, strings.Repeat("x", 300), strings.Repeat("漢字 ", 50))
	for _, width := range []int{40, 60, 80, 132} {
		for line := range strings.SplitSeq(show(t, columns.Options{Width: width}, r), "\n") {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("width %d: %d columns in %q", width, n, line)
			}
		}
	}
}

func TestUpdatesAndResolutionsAreTwoLines(t *testing.T) {
	for _, action := range []finding.Action{finding.Updated, finding.Closed} {
		text := show(t, columns.Options{}, sample.RPFilter(action))
		if n := strings.Count(strings.TrimSpace(text), "\n"); n != 1 {
			t.Errorf("%s has %d lines:\n%s", action, n+1, text)
		}
	}
}

func TestResolutionTellsHowLongItLasted(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                        "lasted 0 ms",
		300 * time.Millisecond:   "lasted 300 ms",
		59999 * time.Millisecond: "lasted 59.9 s",
		250 * time.Second:        "lasted 4 min 10 s",
		125 * time.Minute:        "lasted 2 h 5 min",
		50 * time.Hour:           "lasted 2 d 2 h",
		-time.Second:             "lasted 0 ms",
	} {
		r := sample.RPFilter(finding.Closed)
		r.Last = r.First.Add(d)
		if text := show(t, columns.Options{}, r); !strings.Contains(text, want) {
			t.Errorf("%v: no %q in %s", d, want, text)
		}
	}
}

func TestTimesAreShownInTheZoneAskedFor(t *testing.T) {
	r := sample.RPFilter(finding.Opened)
	if text := show(t, columns.Options{}, r); !strings.Contains(text, "14:03:07Z") {
		t.Errorf("no UTC time in %s", text)
	}
	zone := time.FixedZone("here", 2*3600)
	if text := show(t, columns.Options{Location: zone}, r); !strings.Contains(text, "16:03:07") || strings.Contains(text, "07Z") {
		t.Errorf("no local time in %s", text)
	}
}

func TestRemarksAreTextAndNotCommands(t *testing.T) {
	text := show(t, columns.Options{Color: true}, sample.BindPool())
	if !strings.Contains(text, "set IP_BIND_ADDRESS_NO_PORT") || strings.Contains(text, "# set IP_BIND") {
		t.Errorf("got %s", text)
	}
}
