// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// diagSocket is what one message of a dump tells of a socket.
type diagSocket struct {
	source, destination netip.AddrPort
	waits               bool // is a timewait socket
}

// diagDump is a netlink socket to inet_diag: it shows the sockets of the namespace that
// it was opened in.
type diagDump struct {
	fd     int
	buffer []byte
}

// diagBuffer holds what the kernel puts into one message at most (32 KiB).
const diagBuffer = 64 << 10

// openDiag opens a dump inside a namespace; see Kernel.Walk for the path and id.
func openDiag(nsPath string, id event.Netns) (*diagDump, error) {
	d := &diagDump{buffer: make([]byte, diagBuffer)}
	err := inside(nsPath, id, func() (err error) {
		d.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
		if err != nil {
			return fmt.Errorf("open inet_diag: %w", err)
		}
		return nil
	})
	return d, err
}

func (d *diagDump) close() { _ = unix.Close(d.fd) }

// each calls f for every TCP socket of a family and of a set of states; f must not keep
// what it is given.
func (d *diagDump) each(family uint8, states uint32, f func(*diagSocket)) error {
	if err := unix.Sendto(d.fd, diagRequest(family, states), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask inet_diag: %w", err)
	}
	for {
		n, _, err := unix.Recvfrom(d.fd, d.buffer, 0)
		if err == unix.EINTR { //nolint:errorlint // what the system call gives, bare
			continue
		}
		if err != nil {
			return fmt.Errorf("read inet_diag: %w", err)
		}
		done, err := takeDiag(d.buffer[:n], f)
		if done || err != nil {
			return err
		}
	}
}

// Sizes and places within struct inet_diag_req_v2 and struct inet_diag_msg
// (uapi/linux/inet_diag.h), which both hold a struct inet_diag_sockid: ports and
// addresses in network order.
const (
	diagHeader    = 16 // struct nlmsghdr
	diagQuestion  = 56
	diagStates    = 4 // after family, protocol, extensions
	diagAnswer    = 72
	diagTimer     = 2
	diagID        = 4
	diagPorts     = 4 // of the id: its addresses follow
	diagAddress   = 16
	timerTimeWait = 3
)

// diagRequest is a netlink message that asks for a dump.
func diagRequest(family uint8, states uint32) []byte {
	m := make([]byte, diagHeader+diagQuestion)
	order := binary.NativeEndian
	order.PutUint32(m, uint32(len(m)))
	order.PutUint16(m[4:], unix.SOCK_DIAG_BY_FAMILY)
	order.PutUint16(m[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	m[diagHeader], m[diagHeader+1] = family, unix.IPPROTO_TCP
	order.PutUint32(m[diagHeader+diagStates:], states)
	return m
}

// takeDiag reads one datagram of a dump, and whether it was the last.
func takeDiag(datagram []byte, f func(*diagSocket)) (done bool, err error) {
	messages, err := syscall.ParseNetlinkMessage(datagram)
	if err != nil {
		return true, fmt.Errorf("read inet_diag: %w", err)
	}
	for _, m := range messages {
		switch m.Header.Type {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(m.Data) < 4 {
				return true, fmt.Errorf("read inet_diag: %w", unix.EPROTO)
			}
			return true, fmt.Errorf("dump by inet_diag: %w", unix.Errno(-int32(binary.NativeEndian.Uint32(m.Data))))
		case unix.SOCK_DIAG_BY_FAMILY:
			if len(m.Data) < diagAnswer {
				return true, fmt.Errorf("read inet_diag: a socket of %d bytes: %w", len(m.Data), unix.EPROTO)
			}
			s := diagSocketOf(m.Data)
			f(&s)
		}
	}
	return false, nil
}

func diagSocketOf(m []byte) diagSocket {
	family, state, timer := m[0], m[1], m[diagTimer]
	ports, source := m[diagID:], m[diagID+diagPorts:]
	return diagSocket{
		source:      netip.AddrPortFrom(diagAddr(family, source), binary.BigEndian.Uint16(ports)),
		destination: netip.AddrPortFrom(diagAddr(family, source[diagAddress:]), binary.BigEndian.Uint16(ports[2:])),
		waits:       timer == timerTimeWait || state == stateTimeWait,
	}
}

// diagAddr reads an address; what an IPv6 socket talks by IPv4 is told as IPv4.
func diagAddr(family uint8, raw []byte) netip.Addr {
	if family == unix.AF_INET {
		return netip.AddrFrom4([4]byte(raw[:4]))
	}
	return netip.AddrFrom16([16]byte(raw[:16])).Unmap()
}
