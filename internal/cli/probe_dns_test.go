// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/probe/dns"
)

// answering serves one address for every question, at a port of an address in a
// namespace. It is a cache's answer, or the zone's own.
func answering(t *testing.T, n *kerneltest.Netns, at, says string, own bool) {
	t.Helper()
	var c net.PacketConn
	n.Do(t, func() (err error) {
		c, err = net.ListenPacket("udp", at)
		return err
	})
	t.Cleanup(func() { c.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			size, from, err := c.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:size]) != nil {
				continue
			}
			m.Response, m.Authoritative, m.RecursionAvailable, m.Additionals = true, own, !own, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 77},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(says).As4()},
				}}
			}
			if packed, err := m.Pack(); err == nil {
				_, _ = c.WriteTo(packed, from)
			}
		}
	}()
}

func TestProbeDNSLooksFromTheNamespaceWithItsOwnResolvConf(t *testing.T) {
	n := kerneltest.Namespace(t)
	conf := filepath.Join("/etc/netns", n.Name)
	if err := os.MkdirAll(conf, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(conf); os.Remove("/etc/netns") }) // the latter only where it is empty
	if err := os.WriteFile(filepath.Join(conf, "resolv.conf"), []byte("nameserver 127.0.0.53\nsearch a.test b.test\noptions ndots:3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	answering(t, n, "127.0.0.53:53", "192.0.2.1", false)
	answering(t, n, "[::1]:5353", "192.0.2.2", true)
	code, stdout, stderr := run(t, "probe", "dns", "App.test", "--netns", n.Name, "--server", "[::1]:5353", "--output", "json")
	if code != exitOK || stderr != "" || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("exit %d, %q, %q", code, stdout, stderr)
	}
	var r dns.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if r.Name != "app.test" || r.Netns != n.Name || r.Verdict != dns.VerdictBehind || r.BehindSeconds != 77 || len(r.Servers) != 2 {
		t.Errorf("got %s", stdout)
	}
	if r.Servers[0].Layer != dns.Stub || r.Servers[0].Status != dns.Behind || r.Servers[1].Layer != dns.Given || r.Servers[1].Port != 5353 {
		t.Errorf("got %+v", r.Servers)
	}
	if r.Search == nil || r.Search.Ndots != 3 || r.Search.WouldTry[0] != "app.test.a.test." {
		t.Errorf("search %+v", r.Search)
	}
	code, stdout, _ = run(t, "probe", "dns", "app.test.", "--netns", n.Path, "--server", "[::1]:5353")
	if code != exitOK || !strings.HasPrefix(stdout, "LAYER") || !strings.Contains(stdout, "is behind: it still says 192.0.2.1, for 77 s yet; the zone says 192.0.2.2") || strings.Contains(stdout, "search list") {
		t.Errorf("exit %d, %s", code, stdout)
	}
}

func TestProbeDNSWithoutAnAnswerIsAnError(t *testing.T) {
	n := kerneltest.Namespace(t)
	code, stdout, stderr := run(t, "probe", "dns", "app.test", "--netns", n.Name, "--server", "127.0.0.9", "--output", "json")
	if code != exitError || !strings.Contains(stdout, `"verdict":"unanswered"`) || !strings.Contains(stderr, "no server answered the question") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
}

func TestProbeDNSMistakesAreUsageErrors(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no name":      {nil, "usage: trapbpf probe dns NAME"},
		"an address":   {[]string{"192.0.2.1"}, "1.2.0.192.in-addr.arpa with --type PTR"},
		"an address 6": {[]string{"2001:db8::1"}, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"},
		"a bad name":   {[]string{"a..b"}, "between its dots"},
		"a type":       {[]string{"a.test", "--type", "AAA"}, `did you mean "AAAA"?`},
		"a server":     {[]string{"a.test", "--server", "ns1.example.org"}, "is no address"},
		"a port":       {[]string{"a.test", "--server", "192.0.2.1:0"}, "is no address"},
		"an output":    {[]string{"a.test", "--output", "jsn"}, `did you mean "json"?`},
		"a namespace":  {[]string{"a.test", "--netns", "no-such-namespace"}, `no network namespace "no-such-namespace"`},
	} {
		code, stdout, stderr := run(t, append([]string{"probe", "dns"}, c.args...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit %d, %q, %q", name, code, stdout, stderr)
		}
	}
}
