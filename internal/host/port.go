// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/event"
)

const (
	sysctlIPv4 = "/proc/sys/net/ipv4/"
	// netstatPath must be the thread's: /proc/net is that of the main thread.
	netstatPath = "/proc/thread-self/net/netstat"
)

// portSettings answers which ports a namespace has for its callers.
func (h *Host) portSettings(at Target, w event.Want) (event.Event, error) {
	answer := &event.PortSettings{}
	err := h.inside(at, func() error { return h.readPortSettings(answer) })
	answer.Header = h.head(w)
	return answer, err
}

func (h *Host) readPortSettings(s *event.PortSettings) error {
	if err := h.readPortRange(s); err != nil {
		return err
	}
	reserved, err := h.world.ReadFile(sysctlIPv4 + "ip_local_reserved_ports")
	if err != nil {
		return err
	}
	s.Reserved = strings.TrimSpace(string(reserved))
	if s.ReservedInRange, err = reservedWithin(s.Reserved, s.Low, s.High); err != nil {
		return err
	}
	if s.TWReuse, err = h.sysctl(sysctlIPv4 + "tcp_tw_reuse"); err != nil {
		return err
	}
	if s.Timestamps, err = h.sysctl(sysctlIPv4 + "tcp_timestamps"); err != nil {
		return err
	}
	buckets, err := h.sysctl(sysctlIPv4 + "tcp_max_tw_buckets")
	s.MaxTWBuckets = uint32(max(buckets, 0))
	return err
}

func (h *Host) readPortRange(s *event.PortSettings) error {
	content, err := h.world.ReadFile(sysctlIPv4 + "ip_local_port_range")
	if err != nil {
		return err
	}
	if _, err := fmt.Sscan(string(content), &s.Low, &s.High); err != nil {
		return fmt.Errorf("read ip_local_port_range: %w", err)
	}
	return nil
}

// reservedWithin counts the ports of a list such as "8080,9000-9100" that lie
// between low and high. The kernel writes the list in order, without overlaps
// (proc_do_large_bitmap).
func reservedWithin(list string, low, high uint16) (uint32, error) {
	var within uint32
	for part := range strings.SplitSeq(list, ",") {
		if part == "" {
			continue
		}
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("read ip_local_reserved_ports: %w", err)
		}
		to, err := strconv.ParseUint(last, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("read ip_local_reserved_ports: %w", err)
		}
		from, to = max(from, uint64(low)), min(to, uint64(high))
		if from <= to {
			within += uint32(to - from + 1)
		}
	}
	return within, nil
}

// portUse answers who holds a namespace's ports.
func (h *Host) portUse(at Target, w event.Want) (event.Event, error) {
	if h.world.Walk == nil {
		return nil, errors.New("the walk over sockets is not attached")
	}
	var s event.PortSettings
	var overflows uint64
	err := h.inside(at, func() error {
		if err := h.readPortRange(&s); err != nil {
			return err
		}
		content, err := h.world.ReadFile(netstatPath)
		if err != nil {
			return err
		}
		overflows = counter(string(content), "TcpExt:", "TCPTimeWaitOverflow")
		return nil
	})
	if err != nil {
		return nil, err
	}
	answer, err := h.world.Walk(at.Path, at.Inode, s.Low, s.High)
	if err != nil {
		return nil, fmt.Errorf("walk sockets: %w", err)
	}
	answer.Overflows = overflows
	answer.Header = h.head(w)
	return answer, nil
}

// counter finds a value in /proc/net/netstat: for each group a line of names, then
// a line of numbers in the same order. A name that is not there counts 0.
func counter(netstat, group, name string) uint64 {
	var names []string
	for line := range strings.Lines(netstat) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != group {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i := range min(len(names), len(fields)) {
			if names[i] == name {
				n, _ := strconv.ParseUint(fields[i], 10, 64)
				return n
			}
		}
		return 0
	}
	return 0
}
