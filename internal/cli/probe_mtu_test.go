// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

func TestProbeMTUMistakesAreOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no target":         {nil, exitUsage, "usage: trapbpf probe mtu TARGET"},
		"a group":           {[]string{"224.0.0.1"}, exitUsage, "not one host's address"},
		"a URL":             {[]string{"https://example.org/"}, exitUsage, "without port or scheme"},
		"other family":      {[]string{"10.0.0.1", "--ipv6"}, exitUsage, "leave out --ipv6"},
		"port 0":            {[]string{"127.0.0.1", "--tcp", "0"}, exitUsage, "from 1 to 65535"},
		"port too large":    {[]string{"127.0.0.1", "--tcp", "65536"}, exitUsage, "--tcp"},
		"max too small":     {[]string{"127.0.0.1", "--max", "7"}, exitUsage, "--max must be"},
		"output":            {[]string{"127.0.0.1", "--output", "jsn"}, exitUsage, `did you mean "json"?`},
		"unknown namespace": {[]string{"127.0.0.1", "--netns", "no-such-namespace"}, exitUsage, "no network namespace"},
		"unknown probe":     {[]string{"127.0.0.1", "--tpc", "1"}, exitUsage, `did you mean "--tcp"?`},
	} {
		code, stdout, stderr := run(t, append([]string{"probe", "mtu"}, c.args...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", name, code, stdout, stderr)
		}
	}
}

func TestProbeMTUSpeaksOfTheNamespaceAsked(t *testing.T) {
	ns := kerneltest.Namespace(t)
	for _, target := range []string{"127.0.0.1", "::1"} {
		code, stdout, stderr := run(t, "probe", "mtu", target, "--netns", ns.Name, "--max", "9000", "--output", "json")
		if code != exitOK || stderr != "" {
			t.Fatalf("%s: exit %d, stderr %q", target, code, stderr)
		}
		var got struct {
			Netns, Verdict, Interface string
			PathMTU                   int    `json:"path_mtu"`
			LimitedBy                 string `json:"limited_by"`
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatal(err)
		}
		if got.Netns != ns.Name || got.Verdict != "clear" || got.PathMTU != 9000 || got.Interface != "lo" || got.LimitedBy != "max" {
			t.Errorf("%s: %s", target, stdout)
		}
	}
	code, stdout, stderr := run(t, "probe", "mtu", "192.0.2.1", "--netns", ns.Name)
	if code != exitError || stdout != "" || !strings.Contains(stderr, "no answer") {
		t.Errorf("without a route: exit %d, %q", code, stderr)
	}
}
