// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cef_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/trapbpf/trapbpf/internal/golden"
	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/internal/sink/cef"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func encode(t *testing.T, r *finding.Record) string {
	t.Helper()
	line, err := cef.Encoder{}.Append(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

// parse reads a line as a CEF consumer does: seven bars end the header, an equals
// sign without a backslash ends a key, which has no space in it.
func parse(t *testing.T, line string) (header []string, fields map[string]string) {
	t.Helper()
	rest := strings.TrimSuffix(line, "\n")
	for len(header) < 7 {
		i := unescaped(rest, '|')
		if i < 0 {
			t.Fatalf("header of %q has only %d fields", line, len(header))
		}
		header = append(header, unescape(rest[:i]))
		rest = rest[i+1:]
	}
	fields = map[string]string{}
	keys := regexp.MustCompile(`(?:^| )([A-Za-z0-9]+)=`).FindAllStringSubmatchIndex(rest, -1)
	for n, key := range keys {
		end := len(rest)
		if n+1 < len(keys) {
			end = keys[n+1][0]
		}
		name := rest[key[2]:key[3]]
		if _, twice := fields[name]; twice {
			t.Errorf("key %s comes twice in %q", name, line)
		}
		fields[name] = unescape(rest[key[1]:end])
	}
	return header, fields
}

func unescaped(s string, c byte) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case c:
			return i
		}
	}
	return -1
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
			if s[i] == 'n' {
				b.WriteByte('\n')
				continue
			}
			if s[i] == 'r' {
				b.WriteByte('\r')
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func TestLinesAreWhatTheGoldensHold(t *testing.T) {
	var all strings.Builder
	for _, s := range sample.All() {
		all.WriteString(encode(t, s.Record))
	}
	golden.Check(t, "testdata/records.cef", all.String())
}

func TestHeaderHasSevenFieldsWhateverNamesHold(t *testing.T) {
	for _, s := range sample.All() {
		header, _ := parse(t, encode(t, s.Record))
		want := []string{"CEF:0", "trapbpf", "trapbpf", "0.1.0", string(s.Record.Cause), finding.Printable(s.Record.Message)}
		for i, field := range want {
			if header[i] != field {
				t.Errorf("%s: header field %d is %q, want %q", s.Name, i, header[i], field)
			}
		}
	}
}

func TestHostileNamesAddNoKey(t *testing.T) {
	r := sample.Hostile()
	_, fields := parse(t, encode(t, r))
	if fields["cs1"] == `\` || fields["cs1Label"] != "evidence" {
		t.Errorf("cs1 is %q, its label %q", fields["cs1"], fields["cs1Label"])
	}
	lines := strings.Split(r.Process.Name, "\r\n")
	want := finding.Printable(lines[0]) + "\r\n" + finding.Printable(lines[1])
	if fields["dproc"] != want {
		t.Errorf("process is %q, want %q", fields["dproc"], want)
	}
}

func TestEachRecordIsOneHarmlessLine(t *testing.T) {
	for _, s := range sample.All() {
		line := encode(t, s.Record)
		body, ended := strings.CutSuffix(line, "\n")
		if !ended || strings.ContainsFunc(body, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: %+q", s.Name, line)
		}
		if len(line) > 8<<10 {
			t.Errorf("%s has %d bytes", s.Name, len(line))
		}
	}
}

func TestSeveritiesFallIntoTheirBands(t *testing.T) {
	for severity, want := range map[finding.Severity]string{
		finding.Low: "3", finding.Medium: "5", finding.High: "8", finding.Critical: "10",
	} {
		r := sample.BindPool()
		r.Severity = severity
		if header, _ := parse(t, encode(t, r)); header[6] != want {
			t.Errorf("severity %d is %s, want %s", severity, header[6], want)
		}
	}
}

func TestIPv6AddressesGoWhereCEFWantsThem(t *testing.T) {
	_, fields := parse(t, encode(t, sample.MartianIPv6()))
	if fields["c6a2"] != "::1" || fields["c6a3"] != "2001:db8::2" || fields["src"] != "" || fields["dst"] != "" {
		t.Errorf("fields are %v", fields)
	}
	_, fields = parse(t, encode(t, sample.RPFilter(finding.Opened)))
	if fields["src"] != "10.61.3.2" || fields["dst"] != "10.61.1.2" || fields["c6a2"] != "" {
		t.Errorf("fields are %v", fields)
	}
}

func TestLongCommandIsLeftOutRatherThanCut(t *testing.T) {
	r := sample.RPFilter(finding.Opened)
	r.Fix[0].Op = finding.Command{Line: "echo " + strings.Repeat("x", 1020)}
	if _, fields := parse(t, encode(t, r)); fields["cs2"] != "" || fields["cs2Label"] != "" {
		t.Errorf("fix is %.80q", fields["cs2"])
	}
}

func TestTimesAreMillisecondsSince1970(t *testing.T) {
	r := sample.RPFilter(finding.Opened)
	_, fields := parse(t, encode(t, r))
	if want := fmt.Sprint(r.Time.UnixMilli()); fields["rt"] != want {
		t.Errorf("rt is %s, want %s", fields["rt"], want)
	}
}

func TestPodAndUnitHaveKeysOfOurOwn(t *testing.T) {
	_, fields := parse(t, encode(t, sample.PortsExhausted()))
	for key, want := range map[string]string{
		"trapbpfPodNamespace": "shop", "trapbpfPodName": "api-7d4b9c", "trapbpfContainerName": "api",
		"trapbpfPodUid": "1f1d9ca4-7a31-4b7a-8a3e-2f6a9d0b1c2d", "trapbpfUnit": "",
	} {
		if fields[key] != want {
			t.Errorf("%s is %q, want %q", key, fields[key], want)
		}
	}
	if _, fields = parse(t, encode(t, sample.BindPool())); fields["trapbpfUnit"] != "haproxy.service" || fields["trapbpfPodName"] != "" {
		t.Errorf("fields %v", fields)
	}
}
