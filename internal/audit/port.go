// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// nearlyGone and allGone are shares of the range in percent, by one source and
	// destination: the first is where watch warns too, at the second connect() takes
	// long to find a port, if it does.
	nearlyGone, allGone = 80, 98
	// fewBuckets is a tcp_max_tw_buckets that somebody made small: the kernel gives
	// thousands to the smallest machine (half of its table of connections).
	fewBuckets = 1024
	// plainLow is where the kernel's own range begins.
	plainLow = 32768
)

// checkPorts compares who holds ephemeral ports with how many there are.
func checkPorts(s *scene) (wrong []Result, looked []string) {
	set := &s.Settings
	if set.PortHigh == 0 {
		return nil, nil
	}
	size := uint32(set.PortHigh) - uint32(set.PortLow) + 1 - set.ReservedCount
	looked = append(looked, fmt.Sprintf("ip_local_port_range %d-%d, %d reserved: %d ports a destination; tcp_tw_reuse %d, tcp_timestamps %d, %d in TIME_WAIT",
		set.PortLow, set.PortHigh, set.ReservedCount, size, set.TWReuse, set.Timestamps, s.Sockets.TimeWait))
	for i := range s.Sockets.Rows {
		row := &s.Sockets.Rows[i]
		if len(looked) < told/4 {
			looked = append(looked, s.rowText(row))
		}
		if (row.TimeWait+row.Live)*100 >= size*nearlyGone {
			wrong = append(wrong, s.crowded(row, size))
		}
	}
	if set.TWReuse == 1 && set.Timestamps == 0 {
		wrong = append(wrong, s.reuseInVain())
	}
	if ports := s.unreserved(); len(ports) > 0 {
		wrong = append(wrong, s.collides(ports))
	}
	return wrong, looked
}

func (s *scene) rowText(row *host.SocketRow) string {
	return fmt.Sprintf("%s -> %s holds %d ports in TIME_WAIT and %d live", row.Source, row.Destination, row.TimeWait, row.Live)
}

// crowded is a destination that holds most of the range.
func (s *scene) crowded(row *host.SocketRow, size uint32) Result {
	used := row.TimeWait + row.Live
	r := Result{
		Level: Risk, Cause: "ephemeral-ports-running-out", Subject: row.Destination.String(),
		Message:  fmt.Sprintf("connections to %s hold %d of %d ports", row.Destination, used, size),
		Evidence: []string{s.rowText(row)},
		Verify:   []finding.Step{s.place.Look("must fall", "ss -Htan dst %s", row.Destination)},
	}
	if used*100 >= size*allGone {
		r.Level, r.Cause = Fault, "ephemeral-ports-exhausted"
	}
	if row.Live > row.TimeWait {
		r.Cause = "ports-held-by-live-connections"
		r.Fix = append(r.Fix, s.place.Look("shows which process holds them: it should close what it does not use", "ss -Htnp dst %s", row.Destination))
		return r
	}
	s.fixPorts(&r)
	return r
}

// fixPorts offers reuse of TIME_WAITs, which is for outgoing connections alone and
// needs timestamps, then a wider range.
func (s *scene) fixPorts(r *Result) {
	set := &s.Settings
	if set.TWReuse != 1 && set.Timestamps != 0 {
		s.set(r, "time-wait", "net.ipv4.tcp_tw_reuse", "1", strconv.Itoa(set.TWReuse),
			"reuses a TIME_WAIT older than a second for an outgoing connection; the peer must use timestamps too")
	}
	if set.PortLow > 10240 || set.PortHigh < 65535 {
		s.set(r, "port-range", "net.ipv4.ip_local_port_range", "10240 65535", fmt.Sprintf("%d %d", set.PortLow, set.PortHigh),
			"more ports for callers; reserve those that are listened on (net.ipv4.ip_local_reserved_ports)")
	}
	r.Fix = append(r.Fix, trap.Note("lasting: the program should keep connections open and reuse them"))
}

// set adds a sysctl to a result's steps, with what takes it back and what keeps it.
func (s *scene) set(r *Result, file, key, value, was, does string) {
	op := finding.Sysctl{Key: key, Value: value}
	r.Fix = append(r.Fix, s.place.Do(op, does, ""))
	r.Undo = append(r.Undo, s.place.Do(finding.Sysctl{Key: key, Value: was}, "as it was", ""))
	r.Persistent = append(r.Persistent, s.place.Keep(file, op)...)
	r.Verify = append(r.Verify, s.place.Look("must be "+value, "sysctl %s", key))
}

func (s *scene) reuseInVain() Result {
	r := Result{
		Level: Risk, Cause: "ephemeral-ports-exhausted", Subject: "net.ipv4.tcp_timestamps",
		Message:  "tcp_tw_reuse is on but does nothing: it needs timestamps, and they are off",
		Evidence: []string{"tcp_tw_reuse 1, tcp_timestamps 0"},
	}
	s.set(&r, "timestamps", "net.ipv4.tcp_timestamps", "1", "0", "lets tcp_tw_reuse work (RFC 6191)")
	return r
}

// unreserved are the listening ports that a caller may be given while their service is
// down. In the kernel's own range nobody expects otherwise; a range that was widened
// reaches into where services live.
func (s *scene) unreserved() []uint16 {
	if s.Settings.PortLow >= plainLow {
		return nil
	}
	var ports []uint16
	for _, port := range s.Sockets.Listening {
		inside := port >= s.Settings.PortLow && port <= s.Settings.PortHigh && port < plainLow
		if inside && !reserves(s.Settings.Reserved, port) {
			ports = append(ports, port)
		}
	}
	return ports
}

// reserves reads a list such as "8080,9000-9100".
func reserves(list string, port uint16) bool {
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		low, lowErr := strconv.ParseUint(first, 10, 16)
		high, highErr := strconv.ParseUint(last, 10, 16)
		if lowErr == nil && highErr == nil && uint64(port) >= low && uint64(port) <= high {
			return true
		}
	}
	return false
}

func (s *scene) collides(ports []uint16) Result {
	var words []string
	for _, port := range ports {
		words = append(words, strconv.Itoa(int(port)))
	}
	list := strings.Join(words, ",")
	r := Result{
		Level: Risk, Cause: "ephemeral-ports-exhausted", Subject: "net.ipv4.ip_local_reserved_ports",
		Message: "services listen inside the range that callers get their ports from, and are not reserved",
		Evidence: []string{
			fmt.Sprintf("ip_local_port_range is %d-%d, listened on are %s", s.Settings.PortLow, s.Settings.PortHigh, list),
			"while such a service restarts, an outgoing connection may be given its port",
		},
	}
	all := list
	if s.Settings.Reserved != "" {
		all = s.Settings.Reserved + "," + list
	}
	s.set(&r, "reserved-ports", "net.ipv4.ip_local_reserved_ports", all, s.Settings.Reserved, "keeps callers off these ports")
	return r
}

// checkBuckets compares TIME_WAITs with how many the kernel keeps.
func checkBuckets(s *scene) (wrong []Result, looked []string) {
	set := &s.Settings
	if set.PortHigh == 0 {
		return nil, nil
	}
	looked = append(looked, fmt.Sprintf("%d of %d TIME_WAITs, %d refused since the namespace was made", s.Sockets.TimeWait, set.MaxTWBuckets, set.TWOverflows))
	full := s.Sockets.TimeWait >= set.MaxTWBuckets
	if !full && set.MaxTWBuckets >= fewBuckets && set.TWOverflows == 0 {
		return nil, looked
	}
	r := Result{
		Level: Risk, Subject: "net.ipv4.tcp_max_tw_buckets",
		Message:  fmt.Sprintf("only %d TIME_WAITs are kept: more connections end without the wait that catches late segments", set.MaxTWBuckets),
		Evidence: looked,
	}
	if full {
		r.Level = Fault
	}
	value := strconv.Itoa(int(max(plainBuckets, 2*set.MaxTWBuckets)))
	s.set(&r, "tw-buckets", "net.ipv4.tcp_max_tw_buckets", value, strconv.Itoa(int(set.MaxTWBuckets)), "a TIME_WAIT costs about 256 bytes")
	return []Result{r}, looked
}

// plainBuckets is what the kernel gives a machine of 16 GB.
const plainBuckets = 262144
