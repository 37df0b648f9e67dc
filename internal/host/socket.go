// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Sockets sums up the TCP sockets of a namespace as /proc tells them: for an audit,
// which runs once and has no BPF iterator at hand.
type Sockets struct {
	// TimeWait counts every TIME_WAIT, Listening are the ports listened on, ascending.
	TimeWait  uint32
	Listening []uint16
	// Rows are the destinations that hold most ports of the ephemeral range, most first.
	Rows []SocketRow
}

// SocketRow is one destination's share of the ephemeral ports.
type SocketRow struct {
	Source         netip.Addr
	Destination    netip.AddrPort
	TimeWait, Live uint32
}

// socketRows bounds Sockets.Rows.
const socketRows = 16

// States of /proc/net/tcp (net/tcp_states.h).
const (
	procTimeWait = 6
	procClose    = 7
	procListen   = 10
)

// surveySockets reads both families. Where there is no IPv6 its file is missing.
//
// The kernel walks the tables of all namespaces for each: with 500 namespaces that was
// two fifths of an audit. So it is asked only where there is a socket to be told.
func (h *Host) surveySockets(s *Survey) {
	t := &socketTally{rows: map[socketKey]*SocketRow{}, low: s.Settings.PortLow, high: s.Settings.PortHigh}
	waiting := h.sockstat("sockstat", "TCP:", "tw")
	for _, one := range []struct{ stat, line, file string }{{"sockstat", "TCP:", "tcp"}, {"sockstat6", "TCP6:", "tcp6"}} {
		if h.sockstat(one.stat, one.line, "inuse") == 0 && waiting == 0 {
			continue
		}
		content, err := h.world.ReadFile(procNet + one.file)
		if err != nil && one.file == "tcp" {
			s.blind("sockets", err)
		}
		t.take(string(content))
	}
	s.Sockets = t.sum()
}

// procNet is the calling thread's namespace as /proc tells it.
const procNet = "/proc/thread-self/net/"

// sockstat reads a count such as "TCP: inuse 5 orphan 0 tw 2", -1 where there is none.
func (h *Host) sockstat(file, line, key string) int {
	content, err := h.world.ReadFile(procNet + file)
	if err != nil {
		return -1
	}
	for text := range strings.Lines(string(content)) {
		words := strings.Fields(text)
		if len(words) == 0 || words[0] != line {
			continue
		}
		for i := 1; i+1 < len(words); i += 2 {
			if n, err := strconv.Atoi(words[i+1]); words[i] == key && err == nil {
				return n
			}
		}
	}
	return -1
}

type socketKey struct {
	source      netip.Addr
	destination netip.AddrPort
}

type socketTally struct {
	low, high uint16
	rows      map[socketKey]*SocketRow
	// sockets are kept until all listeners are known.
	sockets []procSocket
}

type procSocket struct {
	local, peer netip.AddrPort
	state       uint8
}

// take reads a file's lines: number, local and peer address in hexadecimal, state.
func (t *socketTally) take(content string) {
	for line := range strings.Lines(content) {
		words := strings.Fields(line)
		if len(words) < 4 {
			continue
		}
		one := procSocket{local: procAddress(words[1]), peer: procAddress(words[2])}
		state, err := strconv.ParseUint(words[3], 16, 8)
		if err != nil || !one.local.IsValid() {
			continue
		}
		one.state = uint8(state)
		t.sockets = append(t.sockets, one)
	}
}

// sum counts who holds the range: a socket on a listened port costs no port.
func (t *socketTally) sum() Sockets {
	listening := map[uint16]bool{}
	for _, one := range t.sockets {
		if one.state == procListen {
			listening[one.local.Port()] = true
		}
	}
	var all Sockets
	for _, one := range t.sockets {
		if one.state == procTimeWait {
			all.TimeWait++
		}
		port := one.local.Port()
		if one.state != procListen && one.state != procClose && !listening[port] && port >= t.low && port <= t.high {
			t.add(one)
		}
	}
	for port := range listening {
		all.Listening = append(all.Listening, port)
	}
	slices.Sort(all.Listening)
	for _, row := range t.rows {
		all.Rows = append(all.Rows, *row)
	}
	slices.SortFunc(all.Rows, func(a, b SocketRow) int {
		return cmp.Or(cmp.Compare(b.TimeWait+b.Live, a.TimeWait+a.Live), a.Destination.Compare(b.Destination), a.Source.Compare(b.Source))
	})
	all.Rows = all.Rows[:min(len(all.Rows), socketRows)]
	return all
}

func (t *socketTally) add(one procSocket) {
	key := socketKey{one.local.Addr(), one.peer}
	row := t.rows[key]
	if row == nil {
		row = &SocketRow{Source: key.source, Destination: key.destination}
		t.rows[key] = row
	}
	if one.state == procTimeWait {
		row.TimeWait++
	} else {
		row.Live++
	}
}

// procAddress reads "0100007F:1F90": words of 32 bits as the machine has them, the
// port as a number.
func procAddress(text string) netip.AddrPort {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	number, portErr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(number))
}
