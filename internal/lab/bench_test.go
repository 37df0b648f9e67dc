// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

const (
	// streamFor is how long each stream is measured, streamPairs how many pairs of
	// them, with and without the agent, are.
	streamFor   = 2 * time.Second
	streamPairs = 5
)

// BenchmarkWatchedStream sends one TCP stream over a virtual cable at full speed, with
// and without the agent, in turns: a machine's speed changes from minute to minute. It
// tells the median of the pairs' shares.
func BenchmarkWatchedStream(b *testing.B) {
	kerneltest.Exclusive(b)
	binary := buildAgent(b)
	for b.Loop() {
		var shares, speeds []float64
		for range streamPairs {
			alone := streamSpeed(b, "")
			watched := streamSpeed(b, binary)
			shares, speeds = append(shares, watched/alone), append(speeds, alone)
		}
		b.ReportMetric(median(shares), "watched/alone")
		b.ReportMetric(median(speeds)*8/1e9, "Gbit/s")
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
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
	serve := n.serve(d.server, discard, at(duoServer))
	if n.err != nil {
		b.Fatal(n.err)
	}
	if binary != "" {
		defer watchWith(b, binary, d.client.name, d.server.name)()
	}
	ctx, cancel := context.WithTimeout(b.Context(), streamFor)
	defer cancel()
	var speed float64
	send := inside(d.client, "lab-stream", func(ctx context.Context, _ *meter) error {
		var config net.Dialer
		conn, err := config.DialContext(ctx, "tcp", at(duoServer))
		if err != nil {
			return err
		}
		defer conn.Close()
		speed = pour(ctx, conn)
		return nil
	})
	if err := together(serve, send)(ctx, newMeter()); err != nil {
		b.Fatal(err)
	}
	return speed
}

// pour writes until ctx ends and gives bytes a second.
func pour(ctx context.Context, conn net.Conn) float64 {
	piece := make([]byte, 1<<17)
	begun, sent := time.Now(), 0
	for ctx.Err() == nil {
		n, err := conn.Write(piece)
		sent += n
		if err != nil {
			break
		}
	}
	return float64(sent) / time.Since(begun).Seconds()
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
