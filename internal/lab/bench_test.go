// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"net"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

const (
	// streamFor is how long each stream is measured, after streamWarm in which its window
	// opens and the agent puts behind it what it loaded. Single pairs differ by several
	// percent: streamPairs is how many pairs of them, with and without the agent, there are.
	streamFor   = time.Second
	streamWarm  = 500 * time.Millisecond
	streamPairs = 15
)

// BenchmarkWatchedStream sends one TCP stream over a virtual cable at full speed, with
// and without the agent, in turns: a machine's speed changes from minute to minute. It
// tells the median of the pairs' shares.
func BenchmarkWatchedStream(b *testing.B) {
	kerneltest.Exclusive(b)
	binary := buildAgent(b)
	for b.Loop() {
		var shares, speeds, watchedSpeeds []float64
		for range streamPairs {
			alone := streamSpeed(b, "")
			watched := streamSpeed(b, binary)
			shares, speeds = append(shares, watched/alone), append(speeds, alone)
			watchedSpeeds = append(watchedSpeeds, watched)
		}
		b.ReportMetric(median(shares), "watched/alone")
		b.ReportMetric(fast(watchedSpeeds)/fast(speeds), "fast-watched/alone")
		b.ReportMetric(median(speeds)*8/1e9, "Gbit/s")
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// fast gives the speed that a quarter of the streams reach: what slows the others are
// guests on the same host, not the agent.
func fast(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)*3/4]
}

// streamSpeed gives bytes a second, watched by the agent where binary is not "".
func streamSpeed(b *testing.B, binary string) float64 {
	n := newNetwork("stream")
	defer func() {
		if err := n.close(); err != nil {
			b.Error(err)
		}
	}()
	d := buildDuo(n, 0)
	serve := n.serve(d.server, swallow, at(duoServer))
	if n.err != nil {
		b.Fatal(n.err)
	}
	if binary != "" {
		defer watchWith(b, binary, d.client.name, d.server.name)()
	}
	ctx, cancel := context.WithTimeout(b.Context(), streamWarm+streamFor)
	defer cancel()
	var speed float64
	send := inside(d.client, "lab-stream", func(ctx context.Context, _ *meter) error {
		var config net.Dialer
		conn, err := config.DialContext(ctx, "tcp", at(duoServer))
		if err != nil {
			return err
		}
		defer conn.Close()
		return onCPU(0, func() error { return blocking(conn, func(fd int) { speed = pour(ctx, fd) }) })
	})
	if err := together(serve, send)(ctx, newMeter()); err != nil {
		b.Fatal(err)
	}
	return speed
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

// pour writes until ctx ends and gives bytes a second, the warm-up left out.
func pour(ctx context.Context, fd int) float64 {
	piece := make([]byte, 1<<17)
	begun, sent := time.Now().Add(streamWarm), 0
	for ctx.Err() == nil {
		n, err := syscall.Write(fd, piece)
		if err != nil {
			break
		}
		if time.Now().After(begun) {
			sent += n
		}
	}
	return float64(sent) / time.Since(begun).Seconds()
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
