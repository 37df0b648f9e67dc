// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// unbound starts the real one, which walks down from a root of the scene's own.
func (s *scene) unbound(addr, root string) {
	s.Helper()
	path, err := exec.LookPath("unbound")
	if err != nil {
		s.Fatalf("%v: install unbound", err)
	}
	dir := s.TempDir()
	conf := filepath.Join(dir, "unbound.conf")
	for file, text := range map[string]string{
		conf: `server:
  interface: ` + addr + `
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  do-not-query-localhost: no
  use-syslog: no
  logfile: /dev/null
  chroot: ""
  username: ""
  directory: "` + dir + `"
  pidfile: ""
  module-config: "iterator"
  root-hints: "` + dir + `/root"
  local-zone: "test." nodefault
remote-control:
  control-enable: no
`,
		filepath.Join(dir, "root"): ". 3600 NS a.root.\na.root. 3600 A " + root + "\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			s.Fatal(err)
		}
	}
	c := exec.Command(path, "-d", "-p", "-c", conf)
	s.netns.Do(s, c.Start)
	s.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	s.answers(addr)
}

// answers waits until somebody listens at an address.
func (s *scene) answers(addr string) {
	s.Helper()
	kerneltest.Within(s, 10*time.Second, addr+" is ready", func() bool {
		conn, err := s.dial(context.Background(), "tcp", at(Resolver, addr).Addr)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
}

// dnsmasq, which asks unbound, which asks a private root: two real layers, and the zone's
// own server found by its delegation, with nothing outside of one namespace.
func TestLayersOfRealCachesAreComparedWithAZoneUnderAPrivateRoot(t *testing.T) {
	s := newScene(t)
	s.listen("127.0.2.1", (&book{zone: ".", lines: []string{
		". 3600 NS a.root.", "a.root. 3600 A 127.0.2.1", "test. 3600 NS ns.nic.test.", "ns.nic.test. 3600 A 127.0.2.2",
	}}).handle)
	s.listen("127.0.2.2", (&book{zone: "test.", lines: []string{
		"test. 3600 NS ns.nic.test.", "ns.nic.test. 3600 A 127.0.2.2",
		"example.test. 3600 NS ns1.example.test.", "ns1.example.test. 3600 A 127.0.1.1",
	}}).handle)
	zone := s.zoneAt("127.0.1.1", zoneLines("192.0.2.1")...)
	s.unbound("127.0.0.2", "127.0.2.1")
	s.dnsmasq("127.0.0.53", "127.0.0.2")
	layers := []Server{at(Stub, "127.0.0.53"), at(Resolver, "127.0.0.2")}
	if r := s.probe("app.example.test", layers...); r.Verdict != VerdictAgree {
		t.Fatalf("before the change: %+v", r)
	}
	zone.set(append(zoneLines("192.0.2.2"), "new.example.test. 300 A 192.0.2.7")...)
	begun := time.Now()
	r := s.probe("app.example.test", layers...)
	if took := time.Since(begun); took > Within {
		t.Errorf("took %s", took)
	}
	for _, layer := range layers {
		row := s.row(r, layer.Addr.Addr().String())
		if row.Status != Behind || row.BehindSeconds == nil || *row.BehindSeconds < 200 || *row.BehindSeconds > 300 {
			t.Errorf("%s: %+v", layer.Addr, row)
		}
	}
	if own := s.row(r, "127.0.1.1"); r.Verdict != VerdictBehind || own.Layer != Authority || own.Status != Current || own.Zone != "example.test" {
		t.Errorf("got %+v", r)
	}
	if r := s.probe("new.example.test", layers...); r.Verdict != VerdictAgree || s.row(r, "127.0.0.53").Status != Current {
		t.Errorf("a name that nobody had asked for: %+v", r)
	}
}
