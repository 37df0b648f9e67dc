// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

func TestPickCounterPairsNamesWithValues(t *testing.T) {
	const text = "TcpExt: SyncookiesSent IPReversePathFilter TCPTimeWaitOverflow\n" +
		"TcpExt: 1 200000 3\nIpExt: InNoRoutes InOctets\nIpExt: 7 8\n"
	for _, c := range []struct {
		group, name string
		want        uint64
	}{{"TcpExt", "IPReversePathFilter", 200000}, {"TcpExt", "TCPTimeWaitOverflow", 3}, {"IpExt", "InNoRoutes", 7}} {
		if got, err := pickCounter(text, c.group, c.name); err != nil || got != c.want {
			t.Errorf("%s %s = %d, %v, not %d", c.group, c.name, got, err, c.want)
		}
	}
	if n, err := pickCounter(text, "IpExt", "IPReversePathFilter"); err == nil {
		t.Errorf("found %d under the wrong group", n)
	}
}

func TestFrameHasAValidHeader(t *testing.T) {
	d := datagram{
		to: net.HardwareAddr{1, 2, 3, 4, 5, 6}, from: net.HardwareAddr{6, 5, 4, 3, 2, 1},
		source: netip.MustParseAddr("192.168.0.1"), dest: netip.MustParseAddr("192.168.0.199"),
		sourcePort: 5000, port: 53,
	}
	frame := d.frame([]byte("hi"))
	if sum := checksum(frame[etherHeader : etherHeader+ipHeader]); sum != 0 {
		t.Errorf("the header sums up to %#x, not 0 (RFC 1071)", sum)
	}
	const want = "010203040506060504030201" + "0800" +
		"4500001e000000004011f8b6c0a80001c0a800c7" + "13880035000a0000" + "6869"
	if got := hex.EncodeToString(frame); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestChecksumOfAKnownHeader(t *testing.T) {
	header, err := hex.DecodeString("450000730000400040110000c0a80001c0a800c7")
	if err != nil {
		t.Fatal(err)
	}
	if got := checksum(header); got != 0xb861 {
		t.Errorf("checksum %#x, not 0xb861", got)
	}
}

func TestNoThreadStaysInsideANamespace(t *testing.T) {
	kerneltest.RequireRoot(t)
	n := newNetwork("threads")
	s := n.space("client")
	if n.err != nil {
		t.Fatal(n.err)
	}
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
		expectNothingLeft(t, n.nonce)
	})
	home, _ := os.Readlink("/proc/self/ns/net")
	inside := ""
	refusal := errors.New("f's own")
	err := s.do(func() (err error) {
		if inside, err = os.Readlink(ownNetns); err != nil {
			return err
		}
		return refusal
	})
	if !errors.Is(err, refusal) || inside == home || inside == "" {
		t.Errorf("inside is %q, home %q: %v", inside, home, err)
	}
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	for _, thread := range threads {
		// A thread that has ended since is nowhere.
		if at, err := os.Readlink(thread); err == nil && at != home {
			t.Errorf("%s is in %s", thread, at)
		}
	}
}

func TestNetworkStopsAtItsFirstError(t *testing.T) {
	kerneltest.RequireRoot(t)
	n := newNetwork("broken")
	defer n.close()
	a, b := n.space("a"), n.space("b")
	n.cable(port{a, "eth0", []string{"10.0.0.1/24"}}, port{b, "a/b", nil})
	first := n.err
	n.route(a, "", "10.0.0.2", 0)
	if first == nil || !errors.Is(n.err, first) {
		t.Errorf("first %v, then %v", first, n.err)
	}
}
