// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

const (
	clientAddr = "10.78.1.1"
	serverAddr = "10.78.1.2"
	wireSize   = 1500 // a full packet of an Ethernet link
)

// narrowed is a client and a server with a cable that loses every packet of the
// client's that is larger than 1400 bytes.
type narrowed struct{ client, server *kerneltest.Netns }

func lossy(t *testing.T) narrowed {
	t.Helper()
	n := narrowed{kerneltest.Namespace(t), kerneltest.Namespace(t)}
	kerneltest.Cable(t,
		kerneltest.End{Netns: n.client, Name: "near", Prefix: netip.MustParsePrefix(clientAddr + "/24")},
		kerneltest.End{Netns: n.server, Name: "far", Prefix: netip.MustParsePrefix(serverAddr + "/24")})
	n.server.Do(t, loseLarge)
	// Segments as they are on a wire, not as offload hands them over.
	n.client.Do(t, func() error {
		near, err := netlink.LinkByName("near")
		if err != nil {
			return err
		}
		return netlink.LinkSetGSOMaxSegs(near, 1)
	})
	return n
}

// loseLarge drops what arrives in this namespace with an IPv4 length above 1400.
func loseLarge() error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "t"})
	chain := conn.AddChain(&nftables.Chain{
		Name: "in", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
	})
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpGt, Register: 1, Data: binaryutil.BigEndian.PutUint16(1400)},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}})
	return conn.Flush()
}

// fill sends a short message, and then more than one segment's worth.
func fill(t *testing.T, p pair) {
	t.Helper()
	if _, err := p.client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.server.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.client.Write(make([]byte, 3000)); err != nil {
		t.Fatal(err)
	}
}

func TestStuckSegmentIsToldWithItsSize(t *testing.T) {
	kerneltest.Exclusive(t)
	for _, rung := range []string{hook.RungTracepointBTF, hook.RungTracepointRaw} {
		t.Run(rung, func(t *testing.T) {
			n := lossy(t)
			k := mustOpen(t, Options{
				Netns: []event.Netns{n.client.ID}, Sights: []string{hook.SightRetrans, hook.SightTCP},
				Rung: map[string]string{"tcp_retransmit_skb": rung},
			})
			e := listen(t, k)
			fill(t, serve(t, n.server, serverAddr+":80").dial(t, n.client))
			kerneltest.Within(t, 20*time.Second, "the stuck segment is told", func() bool { return e.lastResend() != nil })
			checkStuck(t, e.lastResend(), n.client.ID)
		})
	}
}

func checkStuck(t *testing.T, e *event.Retransmit, id event.Netns) {
	t.Helper()
	c := e.Connection
	if e.Netns != id || e.Size != wireSize || e.Timeouts < 2 || e.Since == 0 || e.Since >= e.Time {
		t.Errorf("told %+v", e)
	}
	if c.Peer.String() != serverAddr+":80" || c.Local.Addr().String() != clientAddr || c.State != event.TCPEstablished {
		t.Errorf("ends %s and %s in state %d", c.Local, c.Peer, c.State)
	}
	if c.BytesAcked != 6 || c.Next-c.Unacked != 3000 || c.FullSize() != wireSize || c.PathMTU != wireSize || c.Window == 0 {
		t.Errorf("connection %+v", c)
	}
	if e.Owner.PID == 0 || e.Owner.Comm == "" {
		t.Errorf("owner %+v", e.Owner)
	}
}

func TestSweepTellsHolesAndAPeersConnections(t *testing.T) {
	kerneltest.Exclusive(t)
	n := lossy(t)
	k := mustOpen(t, Options{Sights: []string{hook.SightSweep}})
	listening := serve(t, n.server, serverAddr+":80")
	p, other := listening.dial(t, n.client), listening.dial(t, n.client)
	fill(t, p)
	sweep := func(ns *kerneltest.Netns, peer string) *event.Connections {
		var asked netip.Addr
		if peer != "" {
			asked = netip.MustParseAddr(peer)
		}
		found, err := k.Connections(ns.Path, ns.ID, asked)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	// The last segment of 3000 bytes is a short one: it arrives, the two before do not.
	kerneltest.Within(t, 20*time.Second, "the receiver waits", func() bool { return len(sweep(n.server, "").Rows) == 1 })
	c := sweep(n.server, "").Rows[0]
	if c.Hole != 2*c.MSS || c.Queued != 3000-c.Hole || c.BytesReceived != 5 {
		t.Errorf("hole %d, queued %d, received %d", c.Hole, c.Queued, c.BytesReceived)
	}
	if rows := sweep(n.client, "").Rows; len(rows) != 0 {
		t.Errorf("the sender waits for nothing, told %+v", rows)
	}
	if rows := sweep(n.client, serverAddr).Rows; len(rows) != 2 {
		t.Errorf("%d connections with the server, want 2", len(rows))
	}
	if rows := sweep(n.client, "10.78.1.9").Rows; len(rows) != 0 {
		t.Errorf("%d connections with nobody", len(rows))
	}
	other.clientFirst()
	kerneltest.Within(t, 20*time.Second, "the closed connection is told as such", func() bool {
		for _, row := range sweep(n.client, serverAddr).Rows {
			if row.State == event.TCPTimeWait && row.Local == netip.MustParseAddrPort(other.client.LocalAddr().String()) {
				return true
			}
		}
		return false
	})
}

func TestSweepWithoutItsHookIsBlind(t *testing.T) {
	kerneltest.Exclusive(t)
	k := mustOpen(t, Options{Sights: []string{hook.SightTCP}})
	if _, err := k.Connections("", 0, netip.Addr{}); err == nil {
		t.Error("no error")
	}
}
