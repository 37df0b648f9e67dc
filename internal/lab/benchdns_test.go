// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

const (
	// namesRate is how many questions a second a busy resolver of a host gets; namesFor how
	// long it gets them, without and with the agent, namesPairs times.
	namesRate  = 20_000
	namesFor   = 2500 * time.Millisecond
	namesPairs = 2
	// namesBurst is how many are sent at once where the rate is behind.
	namesBurst = 200
)

// BenchmarkWatchedDNS asks dnsmasq on the same host's loopback, with and without the
// agent, in turns.
func BenchmarkWatchedDNS(b *testing.B) {
	kerneltest.Exclusive(b)
	binary := buildAgent(b)
	n := newNetwork("names")
	defer func() {
		if err := n.close(); err != nil {
			b.Error(err)
		}
	}()
	s := buildStreet(n)
	if n.err != nil {
		b.Fatal(n.err)
	}
	startDnsmasq(b, s.world)
	for b.Loop() {
		var shares, speeds, used, memory []float64
		for range namesPairs {
			alone := s.askFor(b)
			a := s.watched(b, binary)
			before, begun := cpuTime(a.cmd.Process.Pid), time.Now()
			with := s.askFor(b)
			used = append(used, (cpuTime(a.cmd.Process.Pid)-before).Seconds()/time.Since(begun).Seconds())
			memory = append(memory, float64(peakMemory(a.cmd.Process.Pid)>>20))
			if _, err := a.stop(); err != nil {
				b.Error(err)
			}
			for line := range strings.Lines(a.logText()) {
				if strings.Contains(line, "events lost") {
					b.Log(line)
				}
			}
			shares, speeds = append(shares, with/alone), append(speeds, alone)
		}
		b.ReportMetric(median(shares), "watched/alone")
		b.ReportMetric(median(speeds), "queries/s")
		b.ReportMetric(100*median(used), "agent-CPU-%")
		b.ReportMetric(median(memory), "agent-MB")
	}
}

func (s street) watched(b *testing.B, binary string) *agent {
	a, err := startAgent(binary, false, s.world.name)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), readyLimit)
	defer cancel()
	if err := a.ready(ctx); err != nil {
		b.Fatal(err)
	}
	return a
}

// askFor asks dnsmasq at the rate, as far as it keeps up, and gives answers a second.
func (s street) askFor(b *testing.B) (speed float64) {
	err := s.world.do(func() (err error) {
		speed, err = askSteadily(streetFirst)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return speed
}

func askSteadily(server string) (float64, error) {
	conn, err := net.Dial("udp", net.JoinHostPort(server, strconv.Itoa(dnsPort)))
	if err != nil {
		return 0, fmt.Errorf("reach resolver: %w", err)
	}
	defer func() { _ = conn.Close() }()
	packed, err := question(0, readyName, dnsmessage.TypeA)
	if err != nil {
		return 0, err
	}
	answer := make([]byte, maxQuestion)
	beat := time.NewTicker(time.Millisecond)
	defer beat.Stop()
	begun, answered := time.Now(), 0
	for ; time.Since(begun) < namesFor; <-beat.C {
		due := min(int(time.Since(begun).Seconds()*namesRate)-answered, namesBurst)
		for i := range due {
			binary.BigEndian.PutUint16(packed, uint16(answered+i))
			if _, err := conn.Write(packed); err != nil {
				return 0, fmt.Errorf("ask: %w", err)
			}
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		for range due {
			if _, err := conn.Read(answer); err != nil {
				return 0, fmt.Errorf("after %d answers: %w", answered, err)
			}
			answered++
		}
	}
	return float64(answered) / time.Since(begun).Seconds(), nil
}

// cpuTime is how long a process has run, in user and kernel mode.
func cpuTime(pid int) time.Duration {
	const user, system, hertz = 14, 15, 100 // proc_pid_stat(5), USER_HZ
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	words := strings.Fields(string(text[strings.LastIndexByte(string(text), ')'):]))
	var ticks int64
	for _, at := range []int{user - 2, system - 2} { // the program's name, which ends in ')', is field 2
		n, _ := strconv.ParseInt(words[at], 10, 64) // the kernel's own format
		ticks += n
	}
	return time.Duration(ticks) * time.Second / hertz
}
