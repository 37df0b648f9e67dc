// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// evil is what a peer writes into a name, and a program into its own, to own a terminal.
const (
	evilName    = "\x1b]0;pwned\x07\x1b[2j\x9b31m.shop.test"
	evilProgram = "\x1b[31m\x07\n\x9bevil"
)

// output keeps what a program writes. It is safe for use by several goroutines.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// TestHostileNamesLeaveACleanTerminal has a person's agent watch a peer that pours
// malice, and names of escape sequences get into a finding of their own: not a byte of
// what it writes is for a terminal to obey.
func TestHostileNamesLeaveACleanTerminal(t *testing.T) {
	kerneltest.Exclusive(t)
	binary := buildAgent(t)
	n := newNetwork("hostile")
	defer func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
		expectNothingLeft(t, n.nonce)
	}()
	s := buildStreet(n)
	traffic := s.evilMove()
	if n.err != nil {
		t.Fatal(n.err)
	}
	var records, log output
	cmd := exec.Command(binary, "watch", "--output", "columns", "--color", "never", "--netns", s.client.name)
	cmd.Stdout, cmd.Stderr = &records, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) // ended before, where all went well
	kerneltest.Within(t, readyLimit, "the agent watches", func() bool { return strings.Contains(log.String(), `"watching"`) })
	ctx, cancel := context.WithTimeout(t.Context(), hostileFor)
	defer cancel()
	m := newMeter()
	if err := traffic(ctx, m); err != nil {
		t.Fatal(err)
	}
	resident := peakMemory(cmd.Process.Pid)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the agent did not end well: %v", err)
	}
	t.Logf("%s; agent: %d MB at most", m.read(), resident>>20)
	if resident > residentLimit {
		t.Errorf("the agent had %d MB resident", resident>>20)
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "lost") || strings.Contains(line, "malformed") {
			t.Log(line)
		}
	}
	if !strings.Contains(records.String(), `\027]0;pwned\007\027[2j\155`) {
		t.Errorf("the name is not in the output: %q", records.String())
	}
	clean(t, "stdout", records.String())
	clean(t, "stderr", log.String())
}

// clean holds a text to be printable UTF-8 in lines.
func clean(t *testing.T, what, text string) {
	t.Helper()
	for at, r := range text {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == '\ufffd' || r == '\u202e' {
			t.Errorf("%s has %q: %q", what, r, text[max(0, at-40):min(len(text), at+40)])
		}
	}
}

// evilMove is a name that moves while a program keeps its address, and malice beside it.
func (s street) evilMove() job {
	n := s.net
	z := newZone()
	z.set(evilName, 1, streetOld)
	stays := &app{resolver: stubOf(streetFirst), service: evilName, keeps: true}
	follows := &app{resolver: stubOf(streetFirst), service: evilName}
	var asked atomic.Uint64
	deaf := inside(s.client, evilProgram, func(ctx context.Context, _ *meter) error {
		none := stubOf("10.63.0.99") // nobody's
		none.wait, none.tries = 100*time.Millisecond, 1
		pace(ctx, 5, 1500, func() {
			_, _ = none.addresses(strings.Repeat("\x1b", int(asked.Add(1))%60+1) + evilName)
		})
		return nil
	})
	return together(n.serveDNS(s.world, z.reply, streetFirst), n.serveAll(s.world, streetOld, streetNew),
		after(movedAfter, func() { z.set(evilName, 1, streetNew) }),
		stays.run(s.client, evilProgram, 5), follows.run(s.client, "lab-other", 4), deaf, s.pour())
}
