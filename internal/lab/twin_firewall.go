// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// lateClose has the firewall forget each connection after a second; clients close
// theirs after two, every other one by a reset. What they send then is invalid, and
// the FIN is sent again and again.
func lateClose(n *network) stage {
	d := buildDiamond(n, "client", "c-r1", "c-r2")
	d.symmetric(n)
	w := guarded(n, n.find("r1"))
	n.sysctl(n.find("r1"), "1", "netfilter", "nf_conntrack_tcp_timeout_established")
	call := caller{to: diamondWeb(), within: time.Second}
	var open []int
	client := inside(d.edge, "lab-client", func(ctx context.Context, m *meter) error {
		defer func() { closeAll(open) }()
		reset := false
		pace(ctx, 10, 3000, func() {
			fd, err := call.dial()
			if err == nil {
				err = ask(fd, call.within)
				open = append(open, fd)
			}
			m.attempt(err)
			if len(open) > 25 { // two and a half seconds
				if reset = !reset; reset {
					_ = unix.SetsockoptLinger(open[0], unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
				}
				_ = unix.Close(open[0])
				open = open[1:]
			}
		})
		return nil
	})
	return stage{traffic: together(n.serve(d.server, answer, diamondWeb().String()), client), proof: wellAnd(w)}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// wellAnd proves that the traffic works although the wall refuses packets.
func wellAnd(w *wall) func(reading) error {
	return func(r reading) error {
		if err := atLeast("answers", r.OK, 20); err != nil {
			return err
		}
		return w.proof(r)
	}
}

// segment is a TCP segment without options, for packets that no honest socket sends.
type segment struct {
	source, dest           netip.AddrPort
	sequence, acknowledged uint32
	flags                  byte
}

const tcpHeader = 20

// frame gives the Ethernet frame (RFC 791, RFC 9293), checksums and all: connection
// tracking looks at them.
func (s segment) frame(to, from net.HardwareAddr, payload string) []byte {
	frame := make([]byte, etherHeader+ipHeader+tcpHeader, etherHeader+ipHeader+tcpHeader+len(payload))
	copy(frame[0:], to)
	copy(frame[6:], from)
	binary.BigEndian.PutUint16(frame[12:], unix.ETH_P_IP)
	ip := frame[etherHeader:]
	ip[0] = 0x45 // version 4, five words
	binary.BigEndian.PutUint16(ip[2:], uint16(ipHeader+tcpHeader+len(payload)))
	ip[8] = 64 // time to live
	ip[9] = unix.IPPROTO_TCP
	copy(ip[12:], s.source.Addr().AsSlice())
	copy(ip[16:], s.dest.Addr().AsSlice())
	binary.BigEndian.PutUint16(ip[10:], checksum(ip[:ipHeader]))
	tcp := ip[ipHeader:]
	binary.BigEndian.PutUint16(tcp[0:], s.source.Port())
	binary.BigEndian.PutUint16(tcp[2:], s.dest.Port())
	binary.BigEndian.PutUint32(tcp[4:], s.sequence)
	binary.BigEndian.PutUint32(tcp[8:], s.acknowledged)
	tcp[12] = tcpHeader / 4 << 4
	tcp[13] = s.flags
	binary.BigEndian.PutUint16(tcp[14:], 1024) // window
	frame = append(frame, payload...)
	binary.BigEndian.PutUint16(frame[etherHeader+ipHeader+16:], s.checksum(frame[etherHeader+ipHeader:]))
	return frame
}

func (s segment) checksum(tcp []byte) uint16 {
	sum := append([]byte{}, s.source.Addr().AsSlice()...)
	sum = append(sum, s.dest.Addr().AsSlice()...)
	sum = append(sum, 0, unix.IPPROTO_TCP, byte(len(tcp)>>8), byte(len(tcp)))
	sum = append(sum, tcp...)
	if len(tcp)%2 == 1 {
		sum = append(sum, 0)
	}
	return checksum(sum)
}

// flag bits of TCP.
const (
	fin = 1 << iota
	syn
	rst
	push
	ack
)

// scanned is what crosses any firewall of the Internet: scans by FIN, by nothing, by
// SYN-ACK, by ACK, over many ports; and one stray that is sent ten times a second.
// Beside it an honest client works.
func scanned(n *network) stage {
	d := buildDiamond(n, "client", "c-r1", "c-r2")
	d.symmetric(n)
	router := n.find("r1")
	w := guarded(n, router)
	n.sysctl(router, "0", "netfilter", "nf_conntrack_tcp_loose") // an ACK is invalid, too
	return stage{
		traffic: together(d.calls(n), d.sendSegments(router, 50, scan)),
		proof:   wellAnd(w),
	}
}

// scan gives the frames of round i.
func scan(i int) []segment {
	from := netip.MustParseAddr("10.61.1.66") // of no honest client
	to := netip.MustParseAddr(diamondServer)
	port := func(base int) netip.AddrPort { return netip.AddrPortFrom(to, uint16(base+i%2000)) }
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(from, port) }
	all := []segment{
		{source: at(40001), dest: port(1), flags: fin},
		{source: at(40002), dest: port(1), flags: 0},
		{source: at(40003), dest: port(1), flags: fin | push},
		{source: at(80), dest: port(2000), flags: syn | ack, sequence: 7, acknowledged: 9},
		{source: at(40004), dest: port(2000), flags: ack, sequence: 7, acknowledged: 9},
	}
	if i%5 == 0 {
		stray := segment{source: at(443), dest: netip.AddrPortFrom(to, 50000), flags: syn | ack, sequence: 1, acknowledged: 1}
		all = append(all, stray, segment{source: at(443), dest: netip.AddrPortFrom(to, 50001), flags: rst})
	}
	return all
}

// sendSegments sends what make gives, rate times a second, from the edge's first port
// to a router.
func (d diamond) sendSegments(to *space, rate int, segments func(i int) []segment) job {
	return func(ctx context.Context, m *meter) error {
		there, _, err := port{space: to, name: "r1-edge"}.mac()
		if err != nil {
			return err
		}
		here, _, err := d.first.mac()
		if err != nil {
			return err
		}
		wire, err := d.first.tap()
		if err != nil {
			return err
		}
		defer wire.close()
		round := 0
		pace(ctx, rate, rate*300, func() {
			for _, s := range segments(round) {
				if wire.send(s.frame(there, here, "")) == nil {
					m.send(1)
				}
			}
			round++
		})
		return nil
	}
}

// outOfWindow has a client's connections disturbed by segments far outside of what
// their window allows, again and again the same.
func outOfWindow(n *network) stage {
	d := buildDiamond(n, "client", "c-r1", "c-r2")
	d.symmetric(n)
	router := n.find("r1")
	w := guarded(n, router)
	const port = 45000
	talk := inside(d.edge, "lab-client", func(ctx context.Context, m *meter) error {
		call := caller{to: diamondWeb(), within: time.Second}
		fd, err := tcpSocket(call.to.Addr())
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		local := netip.AddrPortFrom(netip.MustParseAddr(diamondEdge1), port)
		if err := unix.Bind(fd, socketAddress(local)); err != nil {
			return err
		}
		if err := call.open(fd); err != nil {
			return err
		}
		pace(ctx, 10, 3000, func() { m.attempt(ask(fd, call.within)) })
		return nil
	})
	bad := func(i int) []segment {
		at := netip.AddrPortFrom(netip.MustParseAddr(diamondEdge1), port)
		one := segment{source: at, dest: diamondWeb(), flags: ack, sequence: uint32(i/50) << 28, acknowledged: 1}
		other := one
		other.sequence += 1 << 31 // wherever the connection begins, one of the two is beyond its window
		return []segment{one, other}
	}
	return stage{
		traffic: together(n.serve(d.server, answer, diamondWeb().String()), talk, d.sendSegments(router, 5, bad)),
		proof:   wellAnd(w),
	}
}

// closedPort has a client dial a port that the firewall shuts, and one that it does
// not: no packet is invalid.
func closedPort(n *network) stage {
	d := buildDiamond(n, "client", "c-r1", "c-r2")
	d.symmetric(n)
	const shut = 8443
	w := n.wall(n.find("r1"))
	w.chain("forward", nftables.ChainHookForward, nftables.ChainPriorityFilter, counted(toPort(shut)), stateInvalid())
	refused := caller{to: netip.AddrPortFrom(netip.MustParseAddr(diamondServer), shut), within: 2 * time.Second}
	dialler := inside(d.edge, "lab-dialler", func(ctx context.Context, _ *meter) error {
		pace(ctx, 2, 600, func() { _ = refused.call() })
		return nil
	})
	return stage{traffic: together(d.calls(n), dialler), proof: wellAnd(w)}
}
