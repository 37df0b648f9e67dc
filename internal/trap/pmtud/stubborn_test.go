// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package pmtud

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/trap/traptest"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// refused is an error about a datagram.
func refused(at event.Time, port string, length uint32) *event.TooBig {
	e := told(at, event.TooBigArrived, 1300, 1)
	e.Inner = event.Packet{Source: end("10.0.0.2:" + port), Destination: end("10.0.1.2:443"), Protocol: event.ProtocolUDP, Length: length}
	return e
}

func TestDatagramsThatGoOnAsBeforeAreAnIgnoredError(t *testing.T) {
	const quarter = second / 4
	own := func(a string) *event.Routing {
		return &event.Routing{Header: head(second), Interfaces: []event.Interface{
			{Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix(a)}},
		}}
	}
	same := func(int) (string, uint32) { return "50000", 1428 }
	for name, test := range map[string]struct {
		times  int
		packet func(int) (port string, length uint32)
		owner  string
		want   finding.Status
	}{
		"a program that learns in a second": {4, same, "10.0.0.2/24", ""},
		"for two seconds":                   {8, same, "10.0.0.2/24", finding.Suspected},
		"for five seconds":                  {20, same, "10.0.0.2/24", finding.Confirmed},
		"one that looks for its size":       {20, func(i int) (string, uint32) { return "50000", 1428 + uint32(i) }, "10.0.0.2/24", ""},
		"many that look for theirs":         {20, func(i int) (string, uint32) { return strconv.Itoa(50000 + i), 1428 }, "10.0.0.2/24", ""},
		"somebody behind this host":         {20, same, "10.0.0.1/24", ""},
	} {
		desk := traptest.New(New())
		desk.Feed(path(second, nil), own(test.owner))
		for i := range test.times {
			port, length := test.packet(i)
			desk.Feed(refused(second+event.Time(i)*quarter, port, length))
		}
		desk.Feed(tick(second + event.Time(test.times)*quarter))
		seen, _ := desk.Last(Ignored)
		if seen.Status != test.want {
			t.Errorf("%s: %+v", name, desk.Sightings)
		}
		if test.want == "" {
			continue
		}
		f := desk.Describe(seen.Key)
		if f.Flow.SourcePort != 50000 || f.MTU.SmallestLost != 1428 || f.MTU.Path != 1300 || !strings.Contains(f.Fix[0].Op.Shell(), "port 50000 send at most 1300") {
			t.Errorf("%s: flow %+v, sizes %+v, fix %s", name, f.Flow, f.MTU, f.Fix[0].Op.Shell())
		}
		desk.Feed(tick(40 * second))
		if got := desk.Mended[seen.Key]; !strings.Contains(got, "no packet of 10.0.0.2:50000 was too big") {
			t.Errorf("%s: mended for %q", name, got)
		}
	}
}
