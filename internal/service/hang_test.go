// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bufio"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// spoolLimit is what each network sink of the test may keep on disk.
	spoolLimit = 4 << 20
	// most is how much memory the service may take for all that, in KiB: 60 MB is what it
	// is given, and an agent without findings takes 26 MB of them (ARCHITECTURE.md).
	most = (60 - 26) << 10
)

// tarPit is a server that accepts connections, takes nothing and never answers.
func tarPit(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		var held []net.Conn
		defer func() {
			for _, conn := range held {
				_ = conn.Close() // the test is over
			}
		}()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			held = append(held, conn)
		}
	}()
	return listener.Addr().String()
}

const allSinks = `state-directory: DIR/state
sinks:
  console: {stdout: {}}
  file: {file: {path: DIR/out, max-size: 1MiB, keep: 2}}
  journal: {spool: 4MiB, journald: {}}
  syslog: {spool: 4MiB, syslog: {address: "tcp://PIT"}}
  splunk: {spool: 4MiB, encoding: ocsf, http: {url: "http://PIT", body: splunk}}
  elastic: {spool: 4MiB, http: {url: "http://PIT", body: elastic}}
  otlp: {spool: 4MiB, otlp: {endpoint: "http://PIT"}}
  grpc: {spool: 4MiB, otlp: {endpoint: "http://PIT", protocol: grpc}}
`

// With a sink of every kind, those on the network hanging, and a thousand open findings,
// the service costs its memory and its spools, and no more.
func TestHangingSinksCostTheirSpoolsAndLittleMemory(t *testing.T) {
	dir := t.TempDir()
	text := strings.NewReplacer("DIR", dir, "PIT", tarPit(t)).Replace(allSinks)
	if err := os.WriteFile(filepath.Join(dir, "main.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), stormFolder+"="+dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Kill() // its end is not what is tested
		_ = c.Wait()
	}()
	words := bufio.NewScanner(out)
	await(t, words, "begins")
	before := status(t, c.Process.Pid, "VmRSS")
	await(t, words, "all were told twice")
	took := status(t, c.Process.Pid, "VmHWM") - before
	if took > most {
		t.Errorf("it took %d KiB of memory, %d before", took, before)
	}
	for _, name := range []string{"syslog", "splunk", "elastic", "otlp", "grpc"} {
		if size := sizeOf(t, filepath.Join(dir, "state", "spool", name)); size > spoolLimit+spoolLimit/8 || size < spoolLimit*3/4 {
			t.Errorf("the spool of %s has %d bytes", name, size)
		}
	}
	t.Logf("%d KiB of memory at most, and %d before", took, before)
}

// await reads lines until one is there.
func await(t *testing.T, words *bufio.Scanner, line string) {
	t.Helper()
	for words.Scan() {
		if words.Text() == line {
			return
		}
	}
	t.Fatalf("it ended before it said %q", line)
}

// status gives a number of /proc/PID/status, in KiB.
func status(t *testing.T, pid int, key string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); words[0] == key+":" {
			n, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s for process %d: it has ended", key, pid)
	return 0
}

func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil { // a segment may go meanwhile
			size += info.Size()
		}
	}
	return size
}

// The state directory has no room left while the endpoint is away: updates go, what opens
// or resolves waits in memory, and all of it arrives.
func TestFullDiskLosesNoFinding(t *testing.T) {
	kerneltest.RequireRoot(t)
	b, dir := &basin{away: true}, t.TempDir()
	server := httptest.NewServer(b)
	defer server.Close()
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", state, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(state, unix.MNT_DETACH)
	text := strings.NewReplacer("DIR", dir, "URL", server.URL).Replace(inAStorm)
	if err := os.WriteFile(filepath.Join(dir, "main.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Source{Path: filepath.Join(dir, "main.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := engineless(c)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for n := range 300 { // 2 MB of records that must not be lost, on 1 MB
		id := fmt.Sprint(n)
		told = append(told, s.rain(id, finding.Opened, 1))
		s.rain(id, finding.Updated, 2)
		told = append(told, s.rain(id, finding.Closed, 3))
	}
	kerneltest.Within(t, patience, "a full disk", func() bool {
		var disk unix.Statfs_t
		return unix.Statfs(state, &disk) == nil && disk.Bavail < 2
	})
	b.mu.Lock()
	b.away = false
	b.mu.Unlock()
	kerneltest.Within(t, patience, "every record at the endpoint", func() bool { return b.lacks(t, told) == 0 })
	if err := s.flush(); err != nil {
		t.Log(err) // the ledger may have had no room
	}
}
