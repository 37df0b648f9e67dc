// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"net/netip"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// BenchmarkLookup is one question with its answer, of a busy host: eight names, and
// always the same addresses.
func BenchmarkLookup(b *testing.B) {
	s := newScene()
	names := []string{"a.example.org", "b.example.org", "c.example.org", "d.example.org", "e.example.org", "f.example.org", "g.example.org", "h.example.org"}
	q := event.DNSQuery{
		Client: netip.MustParseAddrPort("10.0.0.9:40000"), Server: netip.MustParseAddrPort(one + ":53"),
		Protocol: event.ProtocolUDP, Type: "A", Recursive: true, Owner: event.Owner{PID: appPID, Comm: "app"},
	}
	a := event.DNSAnswer{
		Client: q.Client, Server: q.Server, Protocol: q.Protocol, Type: "A", RCode: "NOERROR", TTL: 60, Records: 2,
		Addresses: []netip.Addr{netip.MustParseAddr(newA), netip.MustParseAddr(oldA)},
	}
	b.ReportAllocs()
	for b.Loop() {
		s.id++
		s.now = s.now.Add(50 * time.Microsecond)
		q.Header, q.ID, q.Name = s.head(), s.id, names[s.id%8]
		s.Feed(&q)
		s.now = s.now.Add(50 * time.Microsecond)
		a.Header, a.ID, a.Name = s.head(), s.id, q.Name
		s.Feed(&a)
	}
}
