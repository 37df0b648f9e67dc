// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package timewait

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// The range that a fix widens to: above the ports that most services listen on, of
// unlike parity as the kernel wants it (inet_csk_find_open_port takes odd and even
// ports in turn).
const (
	wideLow  = 10240
	wideHigh = 65535
)

const (
	keyReuse    = "net.ipv4.tcp_tw_reuse"
	keyRange    = "net.ipv4.ip_local_port_range"
	keyReserved = "net.ipv4.ip_local_reserved_ports"
)

// fix offers what helps this cause: tw_reuse only for TIME_WAITs of connect(), a
// wider range for all, and the application's own cure, which is the lasting one.
func (l *lane) fix(cause finding.Cause, facts *flow.Facts, f *finding.Finding) {
	known := facts.Namespace(l.key.netns)
	place := trap.Where(facts, l.key.netns)
	var kept []finding.Sysctl
	if known.Settings != nil {
		if helpsReuse(cause, known.Settings) && f.Ports.TimeWait > f.Ports.Live {
			kept = append(kept, l.fixReuse(place, known.Settings, f))
		}
		if (cause == Exhausted || cause == RunningOut) && known.Settings.Timestamps == 0 {
			f.Fix = append(f.Fix, trap.Note("tcp_tw_reuse would do nothing here: it needs TCP timestamps, and net.ipv4.tcp_timestamps is 0"))
		}
		kept = append(kept, fixRange(place, known, f)...)
	}
	f.Fix = append(f.Fix, l.advice(cause, place)...)
	if len(kept) > 0 {
		f.Persistent = place.Keep("ports", kept...)
	}
	l.verify(cause, place, f)
}

// helpsReuse tells whether tcp_tw_reuse=1 would free ports: it works in connect(),
// for this side's own closes, with timestamps, and where it is not on already.
func helpsReuse(cause finding.Cause, s *event.PortSettings) bool {
	return (cause == Exhausted || cause == RunningOut) && s.Timestamps != 0 && s.TWReuse != 1
}

func (l *lane) fixReuse(place trap.Place, s *event.PortSettings, f *finding.Finding) finding.Sysctl {
	op := finding.Sysctl{Key: keyReuse, Value: "1"}
	f.Fix = append(f.Fix, place.Do(op,
		"connect() may take over a TIME_WAIT older than a second; outgoing connections only, and the peer must use timestamps too",
		"none known where both ends use timestamps (RFC 6191)"))
	f.Undo = append(f.Undo, place.Do(finding.Sysctl{Key: keyReuse, Value: strconv.Itoa(s.TWReuse)}, "as it was", ""))
	return op
}

// fixRange widens the range, and keeps callers off the ports that are listened on
// in the part that is new.
func fixRange(place trap.Place, known *flow.Namespace, f *finding.Finding) []finding.Sysctl {
	s := known.Settings
	low, high := min(s.Low, wideLow), max(s.High, wideHigh)
	if low == s.Low && high == s.High {
		return nil
	}
	wide := finding.Sysctl{Key: keyRange, Value: fmt.Sprintf("%d %d", low, high)}
	kept := []finding.Sysctl{wide}
	f.Fix = append(f.Fix, place.Do(wide,
		fmt.Sprintf("%d ports for callers instead of %d", int(high)-int(low)+1, s.Size()),
		"a service that listens in the new part may find its port taken when it starts: reserve it"))
	f.Undo = append(f.Undo, place.Do(finding.Sysctl{Key: keyRange, Value: fmt.Sprintf("%d %d", s.Low, s.High)}, "as it was", ""))
	if ports := collisions(known, low, high); ports != "" {
		reserve := finding.Sysctl{Key: keyReserved, Value: join(s.Reserved, ports)}
		kept = append(kept, reserve)
		f.Fix = append(f.Fix, place.Do(reserve, "together with it: keeps callers off the ports that are listened on there", ""))
		f.Undo = append(f.Undo, place.Do(finding.Sysctl{Key: keyReserved, Value: s.Reserved}, "as it was", ""))
	}
	return kept
}

// collisions gives the listening ports that only the wider range covers.
func collisions(known *flow.Namespace, low, high uint16) string {
	if known.Use == nil {
		return ""
	}
	var ports []string
	for _, port := range known.Use.Listening {
		old := port >= known.Settings.Low && port <= known.Settings.High
		if !old && port >= low && port <= high {
			ports = append(ports, strconv.Itoa(int(port)))
		}
	}
	slices.Sort(ports)
	return strings.Join(ports, ",")
}

func join(reserved, more string) string {
	if reserved == "" {
		return more
	}
	return reserved + "," + more
}

func (l *lane) advice(cause finding.Cause, place trap.Place) []finding.Step {
	who := l.who()
	switch cause {
	case BindPool:
		return []finding.Step{
			trap.Note("lasting: %s should set IP_BIND_ADDRESS_NO_PORT before bind(), so that the port is picked in connect() per destination", who),
			trap.Note("nginx does so from 1.11.4; in haproxy use `source ADDR` without a port range; in Envoy use no port in the source address"),
		}
	case HeldByLive:
		return []finding.Step{
			place.Look("shows which process holds them", "ss -Htnp dst %s", l.key.destination),
			trap.Note("lasting: %s should close what it no longer uses, bound its pool, or reuse connections", who),
			trap.Note("a connection that lives is not in TIME_WAIT: tcp_tw_reuse frees none of these"),
		}
	default:
		return []finding.Step{
			trap.Note("lasting: %s should keep connections open and reuse them (pool, HTTP keep-alive)", who),
			trap.Note("more source addresses, or more destination addresses or ports, give a range each"),
			trap.Note("never tcp_tw_recycle: it broke clients behind NAT and is gone since Linux 4.12"),
		}
	}
}

func (l *lane) verify(cause finding.Cause, place trap.Place, f *finding.Finding) {
	if cause == BindPool {
		f.Verify = append(f.Verify, place.Look("must fall below the size of the range", "ss -Htn src %s", l.key.source))
	} else {
		f.Verify = append(f.Verify, place.Look("the TIME_WAITs towards the destination", "ss -Htn state time-wait dst %s", l.key.destination))
	}
	f.Verify = append(f.Verify, place.Look("the range and who may reuse", "sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports net.ipv4.tcp_tw_reuse"))
}
