// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// zoneLines are those of example.test, served at 127.0.1.1, with one address for app.
func zoneLines(app string) []string {
	return []string{
		"example.test. 3600 NS ns1.example.test.", "ns1.example.test. 3600 A 127.0.1.1", "app.example.test. 300 A " + app,
	}
}

// zoneAt serves example.test.
func (s *scene) zoneAt(addr string, lines ...string) *book {
	b := &book{zone: "example.test.", lines: lines}
	s.listen(addr, b.handle)
	return b
}

// cacheAt serves a resolver that knows these lines.
func (s *scene) cacheAt(addr string, lines ...string) *book {
	b := &book{zone: "example.test.", recursion: true, lines: lines}
	s.listen(addr, b.handle)
	return b
}

// dnsmasq starts the real one, which asks another server for everything.
func (s *scene) dnsmasq(addr, upstream string) {
	s.Helper()
	path, err := exec.LookPath("dnsmasq")
	if err != nil {
		s.Fatalf("%v: install dnsmasq-base", err)
	}
	pid := filepath.Join(s.TempDir(), "pid")
	c := exec.Command(path, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-poll", "--user=root",
		"--pid-file="+pid, "--listen-address="+addr, "--bind-interfaces", "--cache-size=100", "--server="+upstream, "--log-facility=/dev/null")
	s.netns.Do(s, c.Start)
	s.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	kerneltest.Within(s, 5*time.Second, "dnsmasq is ready", func() bool {
		_, err := os.Stat(pid)
		return err == nil
	})
}

func TestCacheBehindItsZoneIsToldWithTheTimeItStaysSo(t *testing.T) {
	s := newScene(t)
	zone := s.zoneAt("127.0.1.1", zoneLines("192.0.2.1")...)
	s.dnsmasq("127.0.0.53", "127.0.1.1")
	if r := s.probe("app.example.test", at(Stub, "127.0.0.53")); r.Verdict != VerdictAgree || r.BehindSeconds != 0 {
		t.Fatalf("before the change: %+v", r)
	}
	zone.set(zoneLines("192.0.2.2")...)
	r := s.probe("app.example.test", at(Stub, "127.0.0.53"))
	row := s.row(r, "127.0.0.53")
	if r.Verdict != VerdictBehind || row.Status != Behind || row.BehindSeconds == nil || *row.BehindSeconds > 300 || *row.BehindSeconds < 200 {
		t.Errorf("got %+v", r)
	}
	if own := s.row(r, "127.0.1.1"); own.Layer != Authority || own.Zone != "example.test" || own.Host != "ns1.example.test" ||
		!slices.Equal(own.Answers, []string{"192.0.2.2"}) || *own.TTLLeft != 300 || !slices.Contains(own.Flags, "AA") {
		t.Errorf("authority %+v", own)
	}
	s.says(r, "127.0.0.53 (stub) is behind: it still says 192.0.2.1", "the zone says 192.0.2.2")
}

func TestDenialInACacheIsTold(t *testing.T) {
	s := newScene(t)
	zone := s.zoneAt("127.0.1.1", zoneLines("192.0.2.1")...)
	s.dnsmasq("127.0.0.53", "127.0.1.1")
	if r := s.probe("new.example.test", at(Stub, "127.0.0.53")); r.Verdict != VerdictAgree || s.row(r, "127.0.0.53").RCode != "NXDOMAIN" {
		t.Fatalf("before it was made: %+v", r)
	}
	zone.set(append(zoneLines("192.0.2.1"), "new.example.test. 300 A 192.0.2.7")...)
	r := s.probe("new.example.test", at(Stub, "127.0.0.53"))
	if row := s.row(r, "127.0.0.53"); r.Verdict != VerdictBehind || row.Status != Denies {
		t.Errorf("got %+v", r)
	}
	s.says(r, "denies what exists", "192.0.2.7")
}

func TestDenialTellsHowLongItHolds(t *testing.T) {
	s := newScene(t)
	s.zoneAt("127.0.1.1", zoneLines("192.0.2.1")...)
	s.cacheAt("127.0.0.2", zoneLines("192.0.2.1")[:2]...)
	row := s.row(s.probe("app.example.test", at(Resolver, "127.0.0.2")), "127.0.0.2")
	if row.Status != Denies || row.BehindSeconds == nil || *row.BehindSeconds != 60 {
		t.Errorf("got %+v", row)
	}
}

func TestRecordThatIsGoneIsStillCached(t *testing.T) {
	s := newScene(t)
	s.zoneAt("127.0.1.1", zoneLines("192.0.2.1")[:2]...)
	s.cacheAt("127.0.0.2", zoneLines("192.0.2.1")...)
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"))
	if s.row(r, "127.0.0.2").Status != Behind {
		t.Errorf("got %+v", r)
	}
	s.says(r, "which the zone no longer has")
}

func TestResolversDisagreeAndNobodyKnowsBetter(t *testing.T) {
	s := newScene(t)
	s.cacheAt("127.0.0.2", "app.example.test. 300 A 192.0.2.1")
	s.cacheAt("127.0.0.3", "app.example.test. 60 A 192.0.2.2")
	s.cacheAt("127.0.0.4", "app.example.test. 50 A 192.0.2.2")
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"), at(Resolver, "127.0.0.3"), at(Given, "127.0.0.4"))
	if r.Verdict != VerdictDisagree || s.row(r, "127.0.0.2").Status != Differs {
		t.Errorf("got %+v", r)
	}
	s.says(r, "127.0.0.2: 192.0.2.1 (for 300 s (5m0s))", "127.0.0.3, 127.0.0.4: 192.0.2.2 (for 60 s)", "is not known")
}

func TestCacheIsToldFromASourceByItsCounting(t *testing.T) {
	s := newScene(t)
	source := s.cacheAt("127.0.1.1", "app.example.test. 300 A 192.0.2.1")
	s.dnsmasq("127.0.0.53", "127.0.1.1")
	servers := []Server{at(Stub, "127.0.0.53"), at(Given, "127.0.1.1")}
	s.probe("app.example.test", servers...)
	source.set("app.example.test. 300 A 192.0.2.2")
	r := s.probe("app.example.test", servers...)
	if r.Verdict != VerdictDisagree {
		t.Errorf("got %+v", r)
	}
	s.says(r, "127.0.0.53 counts its TTL down: a cache", "127.0.1.1 does not")
}

func TestServerGivenThatSpeaksForTheZoneDecides(t *testing.T) {
	s := newScene(t)
	s.zoneAt("127.0.1.9", "app.example.test. 300 A 192.0.2.9")
	s.cacheAt("127.0.0.2", "app.example.test. 100 A 192.0.2.1")
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"), at(Given, "127.0.1.9"))
	if r.Verdict != VerdictBehind || s.row(r, "127.0.0.2").Status != Behind || s.row(r, "127.0.1.9").Status != Current || r.BehindSeconds != 100 {
		t.Errorf("got %+v", r)
	}
}

func TestEntryOfItsOwnIsNotBehind(t *testing.T) {
	s := newScene(t)
	s.zoneAt("127.0.1.1", zoneLines("192.0.2.1")...)
	inner := s.cacheAt("127.0.0.2", append(zoneLines("10.1.1.1"), "x. 1 A 10.0.0.1")...)
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"))
	if r.Verdict != VerdictDisagree || s.row(r, "127.0.0.2").Status != Differs {
		t.Errorf("private beside public: %+v", r)
	}
	inner.set("example.test. 60 NS ns1.example.test.", "ns1.example.test. 60 A 127.0.1.1", "app.example.test. 0 A 192.0.2.77")
	if r = s.probe("app.example.test", at(Resolver, "127.0.0.2")); s.row(r, "127.0.0.2").Status != Differs || r.BehindSeconds != 0 {
		t.Errorf("TTL 0: %+v", r)
	}
}

func TestAnswersThatGoRoundAreNotBehind(t *testing.T) {
	s := newScene(t)
	zone := &book{zone: "example.test."}
	turns := 0
	s.listen("127.0.1.1", func(packet []byte, tcp bool, send func([]byte)) []byte {
		turns++
		zone.set(zoneLines([]string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}[turns%3])...)
		return zone.handle(packet, tcp, send)
	})
	s.cacheAt("127.0.0.2", zoneLines("192.0.2.9")...)
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"))
	if row := s.row(r, "127.0.0.2"); row.Status == Behind || row.Status == Denies {
		t.Errorf("got %+v", r)
	}
}

func TestLongAnswerComesByTCP(t *testing.T) {
	s := newScene(t)
	cache := &book{zone: "example.test.", recursion: true, lines: []string{"app.example.test. 30 A 192.0.2.1", "app.example.test. 30 A 192.0.2.2"}}
	s.listen("127.0.0.2", func(packet []byte, tcp bool, send func([]byte)) []byte {
		a := cache.reply(packet)
		if !tcp {
			a.Truncated, a.Answers = true, a.Answers[:min(1, len(a.Answers))]
		}
		return a.pack()
	})
	row := s.row(s.probe("app.example.test", at(Resolver, "127.0.0.2")), "127.0.0.2")
	if row.Protocol != "tcp" || len(row.Answers) != 2 || row.Error != "" || slices.Contains(row.Flags, "TC") {
		t.Errorf("got %+v", row)
	}
}

func TestServerWithoutEDNSIsAskedWithout(t *testing.T) {
	s := newScene(t)
	old := &book{zone: "example.test.", recursion: true, lines: []string{"app.example.test. 30 A 192.0.2.1"}}
	s.listen("127.0.0.2", func(packet []byte, _ bool, _ func([]byte)) []byte {
		a := old.reply(packet)
		if packet[11] > 0 { // ARCOUNT
			a.RCode, a.Answers = dnsmessage.RCodeFormatError, nil
		}
		return a.pack()
	})
	if row := s.row(s.probe("app.example.test", at(Resolver, "127.0.0.2")), "127.0.0.2"); row.RCode != "NOERROR" || row.Tries != 2 {
		t.Errorf("got %+v", row)
	}
}

func TestSilentServersAreToldAndHoldNobodyUp(t *testing.T) {
	s := newScene(t)
	s.zoneAt("127.0.1.1", zoneLines("192.0.2.1")...)
	s.listen("127.0.0.2", func([]byte, bool, func([]byte)) []byte { return nil })
	s.cacheAt("127.0.0.3", zoneLines("192.0.2.1")...)
	broken := &book{zone: ".", recursion: true, code: dnsmessage.RCodeServerFailure}
	s.listen("127.0.0.5", broken.handle)
	started := time.Now()
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"), at(Resolver, "127.0.0.3"), at(Given, "127.0.0.4"), at(Given, "192.0.2.200"), at(Given, "127.0.0.5"))
	if took := time.Since(started); took > Within {
		t.Errorf("took %v", took)
	}
	for server, want := range map[string]Status{
		"127.0.0.2": Silent, "127.0.0.3": Current, "127.0.0.4": Unreachable, "192.0.2.200": Unreachable, "127.0.0.5": Failing, "127.0.1.1": Current,
	} {
		if row := s.row(r, server); row.Status != want {
			t.Errorf("%s: %+v, want %s", server, row, want)
		}
	}
	if r.Verdict != VerdictPartly {
		t.Errorf("verdict %s", r.Verdict)
	}
	s.says(r, "127.0.0.2 (resolver) does not answer (asked 2 times)", "127.0.0.4 (given): refuses", "127.0.0.5 (given) answers with SERVFAIL", "agree with the zone: 192.0.2.1")
}

func TestNobodyAnswers(t *testing.T) {
	s := newScene(t)
	s.listen("127.0.0.5", (&book{zone: ".", recursion: true, code: dnsmessage.RCodeServerFailure}).handle)
	servers := []Server{at(Stub, "127.0.0.53"), at(Resolver, "127.0.0.5")}
	r, err := Probe(t.Context(), Options{Name: "app.example.test", Type: "A", Servers: servers, Dial: s.dial})
	if !errors.Is(err, ErrUnanswered) || r.Verdict != VerdictUnanswered || s.row(r, "127.0.0.53").Error == "" {
		t.Errorf("%v, %+v", err, r)
	}
	s.says(r, "127.0.0.53 (stub): refuses", "127.0.0.5 (resolver) answers with SERVFAIL")
}

func TestServersOfBothFamilies(t *testing.T) {
	s := newScene(t)
	lines := append(zoneLines("192.0.2.1")[:1], "ns1.example.test. 3600 AAAA ::1", "app.example.test. 300 A 192.0.2.1")
	s.listen("::1", (&book{zone: "example.test.", lines: lines}).handle)
	s.cacheAt("127.0.0.2", append(lines[:2:2], "app.example.test. 9 A 192.0.2.8")...)
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"))
	if own := s.row(r, "::1"); own.Status != Current || own.Layer != Authority || s.row(r, "127.0.0.2").Status != Behind {
		t.Errorf("got %+v", r)
	}
}
