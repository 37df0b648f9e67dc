// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// sources is how many forged sources the flood has: more than there are rows.
const (
	sources = 20000
	rows    = 16384 // TB_ROWS in bpf/drop.bpf.c
)

func TestTotalsStayExactWhenThereAreMoreSourcesThanRows(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	h.filter(t, "1")
	k := mustOpen(t, Options{Netns: []event.Netns{h.host.ID}, Sights: []string{hook.SightDrop, hook.SightFib}})
	e := listen(t, k)
	forge(t, h)
	e.hush()
	counts := map[netip.Addr]uint64{}
	for i := range e.drops {
		d := &e.drops[i]
		counts[d.Packet.Source.Addr()] = max(counts[d.Packet.Source.Addr()], d.Count)
	}
	var total uint64
	for _, n := range counts {
		total += n
	}
	if total != sources || len(counts) != rows+1 {
		t.Errorf("%d drops of %d sources told, want %d of %d and the rest", total, len(counts), sources, rows)
	}
	if rest := counts[netip.Addr{}]; rest != sources-rows {
		t.Errorf("%d drops told without addresses, want %d", rest, sources-rows)
	}
	if lost := e.lost(event.KindDrop, "map"); lost != sources-rows {
		t.Errorf("%d drops told as lost for want of a row, want %d", lost, sources-rows)
	}
}

// lost gives the newest count of a loss.
func (e *ear) lost(of event.Kind, stage string) (count uint64) {
	for _, l := range e.losses {
		if l.Of == of && l.Stage == stage {
			count = l.Count
		}
	}
	return count
}

// forge lets the peer send one datagram from each of many addresses that host has no
// way back to.
func forge(t *testing.T, h host) {
	t.Helper()
	fd := socket(t, h.peer, unix.AF_INET, unix.SOCK_DGRAM)
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1); err != nil {
		t.Fatal(err)
	}
	to := sockaddr(netip.MustParseAddrPort(hostLeft+":4001"), false)
	for n := range uint32(sources) {
		var from unix.Inet4Pktinfo
		binary.BigEndian.PutUint32(from.Spec_dst[:], 10<<24|88<<16+n)
		if err := unix.Sendmsg(fd, []byte("hello"), unix.PktInfo4(&from), to, 0); err != nil {
			t.Fatal(err)
		}
	}
}
