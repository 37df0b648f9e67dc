// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/event"
)

func TestReservedPortsCountOnlyWithinTheRange(t *testing.T) {
	for list, want := range map[string]uint32{
		"": 0, "80": 0, "40000": 1, "32768,60999": 2, "1-65535": 28232, "30000-32768": 1,
		"60999-61005": 1, "80,33000-33009,40000": 11, "32767,61000": 0,
	} {
		if got, err := reservedWithin(list, 32768, 60999); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", list, got, err, want)
		}
	}
	for _, list := range []string{"x", "1-", "-1", "70000", "1-70000"} {
		if got, err := reservedWithin(list, 32768, 60999); err == nil {
			t.Errorf("%q: got %d", list, got)
		}
	}
}

func FuzzOneReservedEntryNeverExceedsTheRange(f *testing.F) {
	f.Add("33000-33009", uint16(32768), uint16(60999))
	f.Add("9-1", uint16(9), uint16(1))
	f.Fuzz(func(t *testing.T, entry string, low, high uint16) {
		got, err := reservedWithin(entry, low, high)
		if err != nil || strings.Contains(entry, ",") {
			return
		}
		if size := max(int(high)-int(low)+1, 0); int(got) > size {
			t.Errorf("%q within %d-%d: %d of %d", entry, low, high, got, size)
		}
	})
}

func TestPortSettingsAreReadFromTheNamespace(t *testing.T) {
	f := newFake()
	f.files[sysctlIPv4+"ip_local_reserved_ports"] = "100,33000-33009\n"
	got := answer[*event.PortSettings](t, f, event.Want{Of: event.KindPortSettings, Netns: blueInode})
	want := event.PortSettings{
		Header: event.Header{Time: f.clock, Netns: blueInode}, Low: 32768, High: 60999,
		Reserved: "100,33000-33009", ReservedInRange: 10, TWReuse: 2, Timestamps: 1, MaxTWBuckets: 262144,
	}
	if *got != want {
		t.Errorf("got %+v, want %+v", *got, want)
	}
}

func TestCounterIsFoundByNameInItsGroup(t *testing.T) {
	const netstat = "TcpExt: A B\nTcpExt: 1 2\nIpExt: B C\nIpExt: 3 4\n"
	for name, want := range map[[2]string]uint64{
		{"TcpExt:", "B"}: 2, {"IpExt:", "B"}: 3, {"IpExt:", "C"}: 4, {"TcpExt:", "C"}: 0, {"MPTcpExt:", "A"}: 0,
	} {
		if got := counter(netstat, name[0], name[1]); got != want {
			t.Errorf("%v: got %d, want %d", name, got, want)
		}
	}
	if got := counter("TcpExt: A B C\nTcpExt: 1", "TcpExt:", "C"); got != 0 {
		t.Errorf("cut short: got %d", got)
	}
}
