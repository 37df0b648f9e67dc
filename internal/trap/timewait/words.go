// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package timewait

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func (l *lane) describeForecast(known *flow.Namespace, f *finding.Finding) {
	p := f.Ports
	f.Message = fmt.Sprintf("Local ports towards %s are running out", l.key.destination)
	f.Symptoms = []string{"nothing fails yet; once the range is full connect() fails with EADDRNOTAVAIL"}
	f.Evidence = append(f.Evidence,
		fmt.Sprintf("%d of %d ports towards %s are taken: %d in TIME_WAIT, %d live (%.1f%%)",
			p.TimeWait+p.Live, p.Size, l.key.destination, p.TimeWait, p.Live, p.UsedPercent),
		fmt.Sprintf("%s opens %.0f connections a second, %.0f a second end in TIME_WAIT here", l.who(), p.OpensPerSecond, max(l.closeRate.PerSecond(), 0)),
		"range "+p.Range+reservedWords(p.Reserved))
	var c trap.Confidence
	c.Add(40, "the ports taken were counted socket by socket")
	if p.UsedPercent >= 100*alarmShare {
		c.Add(45, "%.1f%% of the range is taken", p.UsedPercent)
	}
	if p.SecondsLeft != nil {
		f.Evidence = append(f.Evidence, fmt.Sprintf("at this rate the range is full in %.0f s", *p.SecondsLeft))
		c.Add(30, "the growth of the last walks reaches the end of the range within %s", horizon)
	}
	c.Into(f)
	l.weighReuse(known, f)
	f.Against = []string{
		"a rate that TIME_WAITs, which end after 60 s, level out below the range is not told",
		"the rate may fall by itself: then this is taken back",
	}
}

func (l *lane) describeBind(known *flow.Namespace, f *finding.Finding) {
	f.Message = fmt.Sprintf("bind() finds no free port on %s: one pool serves every destination", l.key.source)
	if l.op == event.PortConnect {
		f.ErrorCode = "EADDRNOTAVAIL"
		f.Symptoms = []string{fmt.Sprintf("connect() to %s fails with EADDRNOTAVAIL although few connections go there", l.key.destination)}
	} else {
		f.ErrorCode = "EADDRINUSE"
		f.Symptoms = []string{"bind() to port 0 fails with EADDRINUSE, \"Address already in use\", before any connect()"}
	}
	f.Evidence = append(f.Evidence, fmt.Sprintf("%d %s() calls of %s found no port", l.failures, l.op, l.who()))
	var c trap.Confidence
	c.Add(70, "the kernel found no port for %s()", l.op)
	p := f.Ports
	if known.Use != nil && known.Settings != nil {
		f.Evidence = append(f.Evidence, fmt.Sprintf("%d sockets hold ports of the range %s (%d ports): %d in TIME_WAIT, %d live",
			p.TimeWait+p.Live, p.Range, p.Size, p.TimeWait, p.Live))
		if p.UsedPercent >= 100*explained {
			c.Add(25, "all destinations together hold %.1f%% of the range", p.UsedPercent)
		}
	}
	c.Into(f)
	f.Against = []string{
		"not a busy port: the caller asked for any port",
		"tcp_tw_reuse does not help here: it works in connect(), and the port is picked in bind()",
	}
}
