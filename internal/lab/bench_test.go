// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

const (
	// streamWindow is how long the stream's speed is measured at a time, streamSettle what
	// goes before: in it the agent puts behind it what it loaded, or what it held is freed.
	// In a minute some windows fall into what a neighbour of this machine does: there are
	// streamWindows of them in each of streamRounds.
	streamWindow  = 50 * time.Millisecond
	streamSettle  = 700 * time.Millisecond
	streamWindows = 14
	streamRounds  = 30
)

// BenchmarkWatchedStream sends one TCP stream over a virtual cable at full speed, and
// starts and stops the agent beside it. It tells which share of the speed is left while
// the agent watches: of the medians of all windows, of what a quarter of them reach, and
// the median of the rounds' own shares. It must be one stream: two that are alike differ
// by up to a fifth for as long as they last, far more than what is looked for.
func BenchmarkWatchedStream(b *testing.B) {
	kerneltest.Exclusive(b)
	binary := buildAgent(b)
	for b.Loop() {
		var shares, alone, watched []float64
		withStream(b, func(s *stream) {
			for range streamRounds {
				before := s.speeds()
				stop := watchWith(b, binary, s.duo.client.name, s.duo.server.name)
				during := s.speeds()
				stop()
				shares = append(shares, median(during)/median(before))
				alone, watched = append(alone, before...), append(watched, during...)
			}
		})
		b.ReportMetric(median(shares), "round-watched/alone")
		b.ReportMetric(median(watched)/median(alone), "watched/alone")
		b.ReportMetric(fast(watched)/fast(alone), "fast-watched/alone")
		b.ReportMetric(median(alone)*8/1e9, "Gbit/s")
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// fast gives the speed that a quarter of the windows reach.
func fast(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)*3/4]
}

// stream is one connection that is kept full.
type stream struct {
	duo  duo
	sent atomic.Int64
}

// withStream runs f beside a stream.
func withStream(b *testing.B, f func(*stream)) {
	n := newNetwork("stream")
	defer func() {
		if err := n.close(); err != nil {
			b.Error(err)
		}
	}()
	s := &stream{duo: buildDuo(n, 0)}
	receiveApart(b, s.duo.client.name)
	receiveApart(b, s.duo.server.name)
	serve := n.serve(s.duo.server, swallow, at(duoServer))
	if n.err != nil {
		b.Fatal(n.err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- together(serve, inside(s.duo.client, "lab-stream", s.run))(ctx, newMeter()) }()
	f(s)
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// receiveApart has packets taken in on the last processor (RPS), as a network card's
// queues would be. On the sender's own, where a virtual cable leaves them, the same
// stream runs at 9, 16 or 33 Gbit/s by turns with nothing else on the machine.
func receiveApart(b *testing.B, netns string) {
	script := fmt.Sprintf("for f in /sys/class/net/*/queues/rx-0/rps_cpus; do echo %x > $f; done",
		1<<(runtime.NumCPU()-1))
	out, err := exec.Command("ip", "netns", "exec", netns, "sh", "-c", script).CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}

// run sends until ctx ends.
func (s *stream) run(ctx context.Context, _ *meter) error {
	var config net.Dialer
	conn, err := config.DialContext(ctx, "tcp", at(duoServer))
	if err != nil {
		return err
	}
	defer conn.Close()
	return onCPU(0, func() error {
		return blocking(conn, func(fd int) {
			piece := make([]byte, 1<<17)
			for ctx.Err() == nil {
				n, err := syscall.Write(fd, piece)
				if err != nil {
					return
				}
				s.sent.Add(int64(n))
			}
		})
	})
}

// speeds gives bytes a second of some windows, once things have settled.
func (s *stream) speeds() []float64 {
	time.Sleep(streamSettle)
	var all []float64
	for range streamWindows {
		begun, before := time.Now(), s.sent.Load()
		time.Sleep(streamWindow)
		all = append(all, float64(s.sent.Load()-before)/time.Since(begun).Seconds())
	}
	return all
}

// swallow reads whatever comes, on the last processor: two ends that a scheduler moves
// about differ by a tenth from run to run.
func swallow(conn net.Conn) {
	_ = onCPU(runtime.NumCPU()-1, func() error {
		return blocking(conn, func(fd int) {
			buffer := make([]byte, 1<<16)
			for {
				if n, err := syscall.Read(fd, buffer); n <= 0 || err != nil {
					return
				}
			}
		})
	})
}

// onCPU runs f on a thread that stays on one processor.
func onCPU(cpu int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	return f()
}

// blocking lends f the connection as a descriptor that blocks its thread: the runtime's
// poller would wake whichever thread is free.
func blocking(conn net.Conn, f func(fd int)) error {
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	defer file.Close()
	f(int(file.Fd()))
	return nil
}

// watchWith starts the agent and waits until it watches; what it gives stops it.
func watchWith(b *testing.B, binary string, netns ...string) func() {
	a, err := startAgent(binary, false, netns...)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), readyLimit)
	defer cancel()
	if err := a.ready(ctx); err != nil {
		b.Fatal(err)
	}
	return func() {
		if _, err := a.stop(); err != nil {
			b.Error(err)
		}
	}
}
