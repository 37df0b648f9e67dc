// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/verify"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// TestFixVerifyAndUndoBesideARealAgent goes the whole way: a real fault in a namespace, an
// agent that watches it, and the commands that a person calls beside it.
func TestFixVerifyAndUndoBesideARealAgent(t *testing.T) {
	kerneltest.Exclusive(t)
	binary := buildAgent(t)
	host := twoUplinks(t)
	a := startWatch(t, binary, "watch", "--netns", host.Name, "--output", "json", "--quiet-period", "5s")
	opened := a.await(t, finding.Opened, 0)
	id := opened.Trapbpf.Finding.ID
	if opened.Trapbpf.Cause != "rp-filter-strict" {
		t.Fatalf("found %s", opened.Trapbpf.Cause)
	}
	expectVerified(t, binary, id, exitFindings, verify.There)

	code, stdout, stderr := call(t, nil, binary, "fix", id[:8], "--apply")
	if code != exitOK || !strings.Contains(stdout, "resolved: ") {
		t.Fatalf("fix --apply: exit %d, %s%s", code, stdout, stderr)
	}
	resolved := a.await(t, finding.Closed, 0)
	if resolved.Trapbpf.Finding.ID != id {
		t.Errorf("%s is resolved, not %s", resolved.Trapbpf.Finding.ID, id)
	}
	expectVerified(t, binary, id, exitOK, verify.Mended)
	if code, _, stderr := call(t, nil, binary, "fix", id, "--apply"); code != exitUsage || !strings.Contains(stderr, "resolved") {
		t.Errorf("applied again: exit %d, %s", code, stderr)
	}

	seen := a.count()
	if code, stdout, stderr := call(t, nil, binary, "fix", id, "--undo"); code != exitOK {
		t.Fatalf("fix --undo: exit %d, %s%s", code, stdout, stderr)
	}
	again := a.await(t, finding.Opened, seen)
	if again.Trapbpf.Cause != "rp-filter-strict" {
		t.Errorf("after the undo it finds %s", again.Trapbpf.Cause)
	}
	expectVerified(t, binary, id, exitFindings, verify.There)
	a.stop(t)
	if code, _, stderr := call(t, nil, binary, "verify", again.Trapbpf.Finding.ID); code != exitUsage {
		t.Errorf("the watch has ended, its findings are gone: exit %d, %s", code, stderr)
	}
}

func expectVerified(t *testing.T, binary, id string, want int, verdict verify.Verdict) {
	t.Helper()
	code, stdout, stderr := call(t, nil, binary, "verify", id, "--output", "json")
	var report verify.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("verify says %q: %v: %s", stdout, err, stderr)
	}
	if code != want || report.Verdict != verdict || report.Finding != id || len(report.Says) == 0 {
		t.Errorf("verify: exit %d, want %d, %s, %s", code, want, stdout, stderr)
	}
}

// twoUplinks gives a host that strict mode keeps from hearing a neighbour: its packets
// come in by one cable, and the way back leads over the other.
func twoUplinks(t *testing.T) *kerneltest.Netns {
	t.Helper()
	host, neighbour := kerneltest.Namespace(t), kerneltest.Namespace(t)
	end := func(n *kerneltest.Netns, name, prefix string) kerneltest.End {
		return kerneltest.End{Netns: n, Name: name, Prefix: netip.MustParsePrefix(prefix)}
	}
	kerneltest.Cable(t, end(host, "h1", "10.71.1.1/24"), end(neighbour, "n1", "10.71.1.2/24"))
	kerneltest.Cable(t, end(host, "h2", "10.71.2.1/24"), end(neighbour, "n2", "10.71.2.2/24"))
	host.Sysctl(t, "ipv4/conf/h2/rp_filter", "1")
	var conn *net.UDPConn
	neighbour.Do(t, func() (err error) {
		from := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.71.1.2:0"))
		conn, err = net.DialUDP("udp", from, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.71.2.1:9")))
		return err
	})
	ctx, stop := context.WithCancel(context.Background())
	var sender sync.WaitGroup
	sender.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			_, _ = conn.Write([]byte("hello")) // once it arrives, nobody listens
			<-tick.C
		}
	})
	t.Cleanup(func() {
		stop()
		sender.Wait()
		_ = conn.Close()
	})
	return host
}

// watching is an agent that runs, and what it has told.
type watching struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	docs []*finding.Document
	log  strings.Builder
	done sync.WaitGroup
}

func startWatch(t *testing.T, binary string, args ...string) *watching {
	t.Helper()
	a := &watching{cmd: exec.Command(binary, args...)}
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := a.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.done.Go(func() {
		lines(stdout, func(line []byte) {
			if doc, err := finding.ParseRecord(line); err == nil {
				a.docs = append(a.docs, doc)
			}
		}, &a.mu)
	})
	a.done.Go(func() { lines(stderr, func(line []byte) { a.log.Write(append(line, '\n')) }, &a.mu) })
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		a.done.Wait()
		_ = a.cmd.Wait() // where the test has not
	})
	return a
}

func lines(from io.Reader, take func([]byte), mu *sync.Mutex) {
	in := bufio.NewScanner(from)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		mu.Lock()
		take(in.Bytes())
		mu.Unlock()
	}
}

func (a *watching) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.docs)
}

// await gives the first record of an action after so many.
func (a *watching) await(t *testing.T, action finding.Action, after int) (found *finding.Document) {
	t.Helper()
	defer func() {
		if t.Failed() {
			a.mu.Lock()
			defer a.mu.Unlock()
			t.Log(a.log.String())
		}
	}()
	kerneltest.Within(t, 30*time.Second, string(action), func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, doc := range a.docs[after:] {
			if doc.Event.Action == action {
				found = doc
				return true
			}
		}
		return false
	})
	return found
}

func (a *watching) stop(t *testing.T) {
	t.Helper()
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	a.done.Wait()
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("the agent ended: %v", err)
	}
}
