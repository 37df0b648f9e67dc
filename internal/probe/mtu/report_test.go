// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

func TestReportSaysWhatWasFound(t *testing.T) {
	peer, router := netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("10.0.0.1")
	believed := &event.Path{Link: event.Link{Name: "eth0", MTU: 1500}, Learned: 1450}
	black := Result{Method: Echo, Verdict: Silent, Passed: 1400, Lost: 1401, Exact: true, LastHop: Hop{1, router}, NextHop: Hop{2, peer}}
	vague := black
	vague.Exact, vague.LastHop, vague.NextHop = false, Hop{}, Hop{}
	for name, test := range map[string]struct {
		result Result
		max    int
		says   []string
		never  string
	}{
		"a black hole": {black, 0, []string{"path MTU to web (10.0.1.2): 1400 bytes\n", "packets of 1401 bytes and more vanish",
			"gets them is 10.0.0.1 (hop 1)", "way to 10.0.1.2 (hop 2)", "leaves by eth0, MTU 1500; the kernel had learned 1450", "explain mtu-blackhole"}, "--max"},
		"one that is answered": {Result{Method: Echo, Verdict: Answered, Passed: 1400, Lost: 1401, Exact: true, Told: 1400, ToldBy: router}, 0,
			[]string{"10.0.0.1 says that 1400 bytes fit"}, "vanish"},
		"a clear one":        {Result{Method: UDP, Verdict: Clear, Passed: 1500, Exact: true, Local: 1500}, 0, []string{"interface's own MTU is the limit", "measured by udp"}, "explain"},
		"a clear one at max": {Result{Method: TCP, Verdict: Clear, Passed: 1300, Exact: true}, 1300, []string{"all that was tried (--max)"}, "limit"},
		"one that is vague":  {vague, 0, []string{"from 1400 to 1400 bytes; there were too few answers"}, "black hole"},
	} {
		report := NewReport("web", Options{Peer: peer, Max: test.max}, &test.result, believed)
		var text strings.Builder
		if err := report.Print(&text); err != nil {
			t.Fatal(err)
		}
		for _, want := range test.says {
			if !strings.Contains(text.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, text.String())
			}
		}
		if strings.Contains(text.String(), test.never) {
			t.Errorf("%s: %q in\n%s", name, test.never, text.String())
		}
	}
}

// The names are what scripts go by.
func TestReportHasStableNames(t *testing.T) {
	result := Result{
		Method: Echo, Verdict: Silent, Passed: 1400, Lost: 1401, Exact: true, Packets: 28, Took: 1100 * time.Millisecond,
		LastHop: Hop{1, netip.MustParseAddr("10.0.0.1")}, NextHop: Hop{2, netip.MustParseAddr("10.0.1.2")},
	}
	report := NewReport("10.0.1.2", Options{Peer: netip.MustParseAddr("10.0.1.2")}, &result, nil)
	got, err := json.Marshal(&report)
	const want = `{"target":"10.0.1.2","address":"10.0.1.2","method":"echo","verdict":"silent","path_mtu":1400,"exact":true,` +
		`"largest_passed":1400,"smallest_lost":1401,"last_hop":1,"last_hop_address":"10.0.0.1","next_hop":2,"next_hop_address":"10.0.1.2",` +
		`"packets":28,"milliseconds":1100}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v, want\n%s", got, err, want)
	}
}
