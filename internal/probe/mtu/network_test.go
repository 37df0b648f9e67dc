// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/probe/mtu"
)

// The addresses of a chain: client, two routers, server.
const (
	server4, server6 = "10.63.3.2", "fd63:3::2"
	router1, router2 = "10.63.1.1", "10.63.2.2"
	far1, far2       = "fd63:1::1", "fd63:2::2"
)

// chain is client -- r1 -- r2 -- server, with both families.
type chain struct {
	client, r1, r2, server *kerneltest.Netns
}

func newChain(t *testing.T) *chain {
	t.Helper()
	n := &chain{kerneltest.Namespace(t), kerneltest.Namespace(t), kerneltest.Namespace(t), kerneltest.Namespace(t)}
	link := func(number int, a, b *kerneltest.Netns, nameA, nameB string) {
		end := func(in *kerneltest.Netns, name string, last int) kerneltest.End {
			return kerneltest.End{
				Netns: in, Name: name,
				Prefix: netip.MustParsePrefix(fmt.Sprintf("10.63.%d.%d/24", number, last)),
				Alias:  netip.MustParsePrefix(fmt.Sprintf("fd63:%d::%d/64", number, last)),
			}
		}
		kerneltest.Cable(t, end(a, nameA, 2-number/2%2), end(b, nameB, 1+number/2%2))
	}
	link(1, n.client, n.r1, "c-r1", "r1-c")
	link(2, n.r1, n.r2, "r1-r2", "r2-r1")
	link(3, n.r2, n.server, "r2-s", "s-r2")
	for _, router := range []*kerneltest.Netns{n.r1, n.r2} {
		router.Sysctl(t, "ipv4/ip_forward", "1")
		router.Sysctl(t, "ipv6/conf/all/forwarding", "1")
	}
	route(t, n.client, "0.0.0.0/0", "10.63.1.1")
	route(t, n.client, "::/0", "fd63:1::1")
	route(t, n.r1, "0.0.0.0/0", "10.63.2.2")
	route(t, n.r1, "::/0", "fd63:2::2")
	route(t, n.r2, "0.0.0.0/0", "10.63.2.1")
	route(t, n.r2, "::/0", "fd63:2::1")
	route(t, n.server, "0.0.0.0/0", "10.63.3.1")
	route(t, n.server, "::/0", "fd63:3::1")
	return n
}

func route(t *testing.T, in *kerneltest.Netns, to, via string) {
	t.Helper()
	in.Do(t, func() error {
		_, network, err := net.ParseCIDR(to)
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Dst: network, Gw: net.ParseIP(via)})
	})
}

func setMTU(t *testing.T, in *kerneltest.Netns, device string, size int) {
	t.Helper()
	in.Do(t, func() error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(link, size)
	})
}

// filter adds a chain that accepts all but what the rules match.
func filter(t *testing.T, in *kerneltest.Netns, hook *nftables.ChainHook, rules ...[]expr.Any) {
	t.Helper()
	in.Do(t, func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: fmt.Sprintf("t%d", *hook)})
		policy := nftables.ChainPolicyAccept
		chain := conn.AddChain(&nftables.Chain{
			Name: "c", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: hook, Priority: nftables.ChainPriorityFilter, Policy: &policy,
		})
		for _, rule := range rules {
			conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: append(rule, &expr.Verdict{Kind: expr.VerdictDrop})})
		}
		return conn.Flush()
	})
}

// larger matches packets of more than so many bytes.
func larger(size uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyLEN, Register: 1},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: expr.CmpOpGt, Register: 1, Data: binaryutil.BigEndian.PutUint32(size)},
	}
}

// transport matches packets of a transport protocol, whose header begins with bytes.
func transport(protocol byte, begins ...byte) []expr.Any {
	match := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
	}
	if len(begins) == 0 {
		return match
	}
	return append(match,
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Len: uint32(len(begins))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: begins})
}

// deafToEcho has the server answer no echo request.
func (n *chain) deafToEcho(t *testing.T, others ...[]expr.Any) {
	t.Helper()
	rules := append([][]expr.Any{transport(unix.IPPROTO_ICMP, 8), transport(unix.IPPROTO_ICMPV6, 128)}, others...)
	filter(t, n.server, nftables.ChainHookInput, rules...)
}

// measure measures from the client.
func (n *chain) measure(t *testing.T, o mtu.Options) *mtu.Result {
	t.Helper()
	o.At = host.Target{Path: n.client.Path, Inode: n.client.ID}
	o.Progress = func(s mtu.Step) { t.Logf("%3d %s %d ttl %d: %s", s.Packets, s.Method, s.Size, s.TTL, s.Outcome) }
	r, err := mtu.Measure(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", *r)
	if r.Packets > mtu.MaxPackets || r.Took > mtu.MaxTime+mtu.MaxTime/10 {
		t.Errorf("%d packets, %s", r.Packets, r.Took)
	}
	return r
}

// listen opens a TCP port on the server that reads nothing.
func (n *chain) listen(t *testing.T, address string) uint16 {
	t.Helper()
	var listener net.Listener
	n.server.Do(t, func() (err error) {
		listener, err = net.Listen("tcp", net.JoinHostPort(address, "0"))
		return err
	})
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().(*net.TCPAddr).AddrPort().Port()
}
