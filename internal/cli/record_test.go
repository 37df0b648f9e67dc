// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// shared is a buffer that a command fills while a test reads it.
type shared struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// exhaust dials one loopback port from a range of 20 until no port is left, and goes
// on until ctx ends.
func exhaust(ctx context.Context, t *testing.T, ns *kerneltest.Netns) {
	ns.Sysctl(t, "ipv4/tcp_tw_reuse", "0")
	ns.Sysctl(t, "ipv4/ip_local_port_range", "30000 30019")
	ns.Do(t, func() error {
		listener, err := net.Listen("tcp4", "127.0.0.1:8080")
		if err != nil {
			return err
		}
		defer listener.Close() // the test is over
		every := time.NewTicker(20 * time.Millisecond)
		defer every.Stop()
		for ctx.Err() == nil {
			if c, err := net.Dial("tcp4", "127.0.0.1:8080"); err == nil {
				c.Close() // the close is the point
				accepted, err := listener.Accept()
				if err != nil {
					return err
				}
				accepted.Close() // nothing was sent
			}
			<-every.C
		}
		return nil
	})
}

func TestReplayRepeatsTheLiveRunByteForByte(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	path := filepath.Join(t.TempDir(), "trouble.jsonl")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var stdout, stderr shared
	done := make(chan int, 1)
	go func() {
		done <- Run(ctx, Environment{
			Args: []string{"record", path, "--netns", ns.Path}, Stdout: &stdout, Stderr: &stderr,
			Getenv: os.Getenv, Version: "test",
		})
	}()
	kerneltest.Within(t, 20*time.Second, "watching", func() bool { return strings.Contains(stderr.String(), `"message":"watching"`) })
	traffic, quiet := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { exhaust(traffic, t, ns) })
	kerneltest.Within(t, 20*time.Second, "a finding", func() bool { return strings.Contains(stdout.String(), "ephemeral-ports-exhausted") })
	quiet()
	wg.Wait()
	stop()
	if code := <-done; code != exitOK {
		t.Fatalf("record: exit %d, %s", code, stderr.String())
	}
	code, again, errs := run(t, "replay", path)
	if code != exitFindings || again != stdout.String() {
		t.Errorf("replay: exit %d, %s\nlive:\n%sreplay:\n%s", code, errs, stdout.String(), again)
	}
}
