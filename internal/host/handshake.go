// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// handshake is a TCP socket as inet_diag tells it (linux/inet_diag.h).
type handshake struct {
	local, peer netip.AddrPort
	state       uint8
	resent      uint8
	bound       uint32 // index of the device that the socket is bound to, 0 for none
	mark        uint32
	heard       time.Duration // since the peer's last acknowledgement
}

// States of sockets (net/tcp_states.h), and what inet_diag's messages hold.
const (
	stateEstablished = 1
	stateSynSent     = 2
	stateTimeWait    = 6
	// statesAnswered are those of connections that this side may have opened, once the
	// handshake is done: ESTABLISHED, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE_WAIT.
	statesAnswered = 1<<stateEstablished | 1<<4 | 1<<5 | 1<<stateTimeWait | 1<<8

	diagInfo, diagMark = 2, 15 // INET_DIAG_INFO, INET_DIAG_MARK
	diagMessage        = 72    // struct inet_diag_msg
	infoLastAck        = 56    // tcpi_last_ack_recv, milliseconds

	// timeWaitLength is how long a socket stays in TIME_WAIT (TCP_TIMEWAIT_LEN).
	timeWaitLength = time.Minute
)

// diagRequest is struct inet_diag_req_v2.
type diagRequest struct {
	family uint8
	ext    uint8
	states uint32
}

func (*diagRequest) Len() int { return 56 }

func (q *diagRequest) Serialize() []byte {
	b := make([]byte, q.Len())
	b[0], b[1], b[2] = q.family, unix.IPPROTO_TCP, q.ext
	binary.NativeEndian.PutUint32(b[4:], q.states)
	return b
}

// sockets dumps the TCP sockets of the calling thread's namespace that are in one of
// the states. The kernel walks its table of all namespaces, and gives nothing but
// what was asked for. take ends the dump by false.
func sockets(states uint32, take func(handshake) bool) error {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		request := nl.NewNetlinkRequest(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
		request.AddData(&diagRequest{family: family, ext: 1 << (diagInfo - 1), states: states})
		err := request.ExecuteIter(unix.NETLINK_SOCK_DIAG, 0, func(msg []byte) bool {
			one, ok := parseSocket(msg)
			return !ok || take(one)
		})
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

func parseSocket(msg []byte) (handshake, bool) {
	if len(msg) < diagMessage || msg[0] != unix.AF_INET && msg[0] != unix.AF_INET6 {
		return handshake{}, false
	}
	size := 4
	if msg[0] == unix.AF_INET6 {
		size = 16
	}
	one := handshake{state: msg[1], resent: msg[3], bound: binary.NativeEndian.Uint32(msg[40:])}
	one.local = netip.AddrPortFrom(address(msg[8:8+size]).Unmap(), binary.BigEndian.Uint16(msg[4:]))
	one.peer = netip.AddrPortFrom(address(msg[24:24+size]).Unmap(), binary.BigEndian.Uint16(msg[6:]))
	if one.state == stateTimeWait {
		left := time.Duration(binary.NativeEndian.Uint32(msg[52:])) * time.Millisecond
		one.heard = max(0, timeWaitLength-left)
	}
	for kind, value := range attributes(msg[diagMessage:]) {
		switch {
		case kind == diagMark:
			one.mark = number(value)
		case kind == diagInfo && len(value) >= infoLastAck+4:
			one.heard = time.Duration(number(value[infoLastAck:])) * time.Millisecond
		}
	}
	return one, true
}
