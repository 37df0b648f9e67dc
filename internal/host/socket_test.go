// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"net/netip"
	"slices"
	"testing"
)

// procTCP has a listener on 8080 with a connection of its own, and towards
// 10.0.0.2:443 one TIME_WAIT and one live connection from the ephemeral range.
const procTCP = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000
   1: 0100000A:1F90 0300000A:C001 01 00000000:00000000
   2: 0100000A:9C40 0200000A:01BB 06 00000000:00000000
   3: 0100000A:9C41 0200000A:01BB 01 00000000:00000000
   4: 0100000A:0016 0200000A:01BB 01 00000000:00000000
   broken
   5: 0100000A:zz 0200000A:01BB 01
`

func TestSocketsOfTheRangeAreCountedByDestination(t *testing.T) {
	tally := &socketTally{rows: map[socketKey]*SocketRow{}, low: 32768, high: 60999}
	tally.take(procTCP)
	got := tally.sum()
	want := SocketRow{
		Source: netip.MustParseAddr("10.0.0.1"), Destination: netip.MustParseAddrPort("10.0.0.2:443"), TimeWait: 1, Live: 1,
	}
	if len(got.Rows) != 1 || got.Rows[0] != want {
		t.Errorf("rows %+v, want %+v", got.Rows, want)
	}
	if got.TimeWait != 1 || !slices.Equal(got.Listening, []uint16{8080}) {
		t.Errorf("%d in TIME_WAIT, listening %v", got.TimeWait, got.Listening)
	}
}

func TestAddressesOfProcAreInTheMachinesOrder(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1:8080",
		"B80D0120000000000000000001000000:0035": "[2001:db8::1]:53",
		"0000000000000000FFFF00000100000A:0050": "10.0.0.1:80",
	} {
		if got := procAddress(text); got.String() != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	for _, bad := range []string{"", ":", "xx:1", "0100:1F90:2", "010000:1F90"} {
		if got := procAddress(bad); got.IsValid() {
			t.Errorf("%q is %s", bad, got)
		}
	}
}
