// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// parse encodes a record and reads it back; the line must be short enough.
func parse(t *testing.T, r *finding.Record) *finding.Document {
	t.Helper()
	line := encode(t, r)
	if len(line) >= finding.MaxLine {
		t.Errorf("line has %d bytes, with its newline at most %d are allowed", len(line), finding.MaxLine)
	}
	doc, err := finding.ParseRecord(line)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func commands(n, size int) []finding.Step {
	var steps []finding.Step
	for i := range n {
		line := fmt.Sprintf("echo %d %s", i, strings.Repeat("x", size))
		steps = append(steps, finding.Step{Op: finding.Command{Line: line}})
	}
	return steps
}

func TestTrimmedLinesAddUp(t *testing.T) {
	r := sample.Giant()
	doc := parse(t, r)
	lost := map[string]int{}
	for _, entry := range doc.Trapbpf.LeftOut {
		name, number, _ := strings.Cut(entry, ": ")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Errorf("left_out entry %q: %v", entry, err)
		}
		lost[name] = n
	}
	for name, lists := range map[string][2]int{
		"evidence":       {len(r.Evidence), len(doc.Trapbpf.Evidence)},
		"fix_persistent": {len(r.Persistent), len(doc.Trapbpf.FixPersistent)},
		"route.defaults": {len(r.Route.Defaults), len(doc.Trapbpf.Route.Defaults)},
		"fix":            {len(r.Fix), len(doc.Trapbpf.Fix)},
		"verify":         {len(r.Verify), len(doc.Trapbpf.Verify)},
	} {
		if lists[0] != lists[1]+lost[name] {
			t.Errorf("%s: %d kept and %d told as left out, there were %d", name, lists[1], lost[name], lists[0])
		}
	}
	if lost["evidence"] == 0 || lost["fix"] != 0 {
		t.Errorf("left out: %v", doc.Trapbpf.LeftOut)
	}
}

func TestTrimmedLinesUseTheRoomTheyHave(t *testing.T) {
	r := sample.RPFilter(finding.Opened)
	for i := range 500 {
		r.Evidence = append(r.Evidence, fmt.Sprintf("evidence number %d of many", i))
	}
	if line := encode(t, r); len(line) < finding.MaxLine-100 {
		t.Errorf("only %d of %d bytes are used", len(line), finding.MaxLine)
	}
}

func TestCommandsAreNeverShortened(t *testing.T) {
	r := sample.Giant()
	r.Fix, r.Undo, r.Verify = commands(40, 300), commands(40, 300), commands(40, 300)
	doc := parse(t, r)
	for name, lists := range map[string][2][]string{
		"fix":    {doc.Trapbpf.Fix, shells(r.Fix)},
		"undo":   {doc.Trapbpf.Undo, shells(r.Undo)},
		"verify": {doc.Trapbpf.Verify, shells(r.Verify)},
	} {
		if !slices.Equal(lists[0], lists[1][:len(lists[0])]) {
			t.Errorf("%s is not the beginning of what it was: %q", name, lists[0])
		}
		if len(lists[0]) == 0 {
			t.Errorf("%s is gone", name)
		}
	}
}

func shells(steps []finding.Step) []string {
	lines := make([]string, len(steps))
	for i, step := range steps {
		lines[i] = step.Shell()
	}
	return lines
}

func TestFirstFixOutlivesEverythingElse(t *testing.T) {
	for _, size := range []int{1000, 2500, 4000} {
		r := sample.Giant()
		r.Fix = commands(2, size)
		doc := parse(t, r)
		if len(doc.Trapbpf.Fix) == 0 || doc.Trapbpf.Fix[0] != r.Fix[0].Shell() {
			t.Errorf("size %d: fix is %.60q", size, doc.Trapbpf.Fix)
		}
	}
}

func TestCommandLongerThanALineIsToldAsLeftOut(t *testing.T) {
	r := sample.RPFilter(finding.Opened)
	r.Fix = commands(1, finding.MaxLine)
	doc := parse(t, r)
	if len(doc.Trapbpf.Fix) != 0 || !slices.Contains(doc.Trapbpf.LeftOut, "fix: 1") {
		t.Errorf("fix %.60q, left out %q", doc.Trapbpf.Fix, doc.Trapbpf.LeftOut)
	}
}

func TestShortenedTextEndsAtACharacterAndSaysHowMuchIsMissing(t *testing.T) {
	r := sample.RPFilter(finding.Opened)
	r.Message = strings.Repeat("ä€𝄞\u202e", 3000)
	doc := parse(t, r)
	head, tail, found := strings.Cut(doc.Message, "… (")
	if !found || !strings.HasPrefix(r.Message, head) || strings.Contains(head, "\ufffd") {
		t.Fatalf("message is %+q", doc.Message)
	}
	if want := fmt.Sprintf("%d bytes more)", len(r.Message)-len(head)); tail != want {
		t.Errorf("it says %q, want %q", tail, want)
	}
}

func TestEveryTextMayBeEndless(t *testing.T) {
	r := sample.Hostile()
	long := strings.Repeat(r.Process.Name, 400)
	r.Message, r.Reason, r.Ingress, r.Egress, r.ErrorCode = long, long, long, long, long
	r.Process = finding.Process{PID: 1, Name: long, Executable: long, ContainerID: long}
	r.Netns.Name = long
	r.Host = finding.Host{Name: long, Architecture: long, Kernel: long, AgentVersion: long}
	r.Route = &finding.Route{Ingress: long, Expected: long, Back: long, Reason: long, SourceMAC: long, Defaults: []string{long}, Rules: []string{long}}
	r.DNS = &finding.DNS{Question: long, Type: long, ResponseCode: long, StaleIP: long, Search: []string{long}, CurrentIP: []string{long}}
	r.Ports = &finding.Ports{Range: long, Reserved: long, Top: []string{long}}
	r.Symptoms, r.Evidence, r.Against, r.ConfidenceWhy = []string{long}, []string{long}, []string{long}, []string{long}
	r.Fix = commands(1, 100)
	if doc := parse(t, r); len(doc.Trapbpf.Fix) != 1 {
		t.Errorf("the fix is gone: left out %q", doc.Trapbpf.LeftOut)
	}
}

func TestDocumentThatCannotFitSaysSo(t *testing.T) {
	_, err := finding.NewDocument(sample.Giant()).Fit(200)
	if !errors.Is(err, finding.ErrTooLong) {
		t.Errorf("got %v", err)
	}
}
