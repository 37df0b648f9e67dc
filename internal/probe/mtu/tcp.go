// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// tcp asks by segments of an open connection that end one byte before the first that was
// ever sent on it: the peer drops what is in them and must acknowledge at once. Their
// sequence numbers lie within the window that firewalls track, and name the probes.
type tcp struct {
	conn        int // the kernel's socket: it keeps the connection
	local, peer netip.AddrPort
	opened      bool
	// next is the sequence number of the first byte we would send, ack the first that
	// the peer would.
	next, ack uint32
	// stamp is the newest timestamp option we may use, echo the peer's; both 0 without.
	stamp, echo uint32
	begun       time.Time
	numbers     map[uint32]int // by sequence number
	newest      int
}

const (
	tcpHeader = 20
	// tcpStamps is the timestamp option, padded (RFC 7323, appendix A).
	tcpStamps = 12
	flagSYN   = 0x02
	flagRST   = 0x04
	flagACK   = 0x10
)

// newTCP begins a connection, in the calling thread's namespace.
func newTCP(from netip.Addr, peer netip.AddrPort) (*tcp, error) {
	fd, local, err := reserve(unix.SOCK_STREAM, from, peer)
	if err != nil {
		return nil, err
	}
	t := &tcp{conn: fd, local: local, peer: netip.AddrPortFrom(peer.Addr().WithZone(""), peer.Port()), numbers: map[uint32]int{}, begun: time.Now()}
	return t, nil
}

func (*tcp) method() Method { return TCP }

func (*tcp) protocol(bool) int { return unix.IPPROTO_TCP }

// close resets the connection: nothing was said on it.
func (t *tcp) close() {
	_ = unix.SetsockoptLinger(t.conn, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(t.conn) // there is nothing to flush
}

// errClosed tells that nothing listens on the port.
var errClosed = errors.New("nothing listens there")

// open waits until the handshake is done and its answer was seen on the raw socket.
func (t *tcp) open(l *line) error {
	var fault error
	err := l.listen(time.Now().Add(firstPatience), func() bool {
		fault = t.fault()
		return t.opened || fault != nil
	})
	switch {
	case err != nil:
		return err
	case errors.Is(fault, unix.ECONNREFUSED):
		return errClosed
	case !t.opened:
		return ErrUnreachable
	}
	l.rtt = time.Since(t.begun)
	return nil
}

// fault is the connection's own error, told once.
func (t *tcp) fault() error {
	code, err := unix.GetsockoptInt(t.conn, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || code == 0 {
		return err
	}
	return unix.Errno(code)
}

func (t *tcp) build(number, length int) []byte {
	options := 0
	if t.echo != 0 {
		options = tcpStamps
	}
	packet := make([]byte, length)
	payload := length - tcpHeader - options
	sequence := t.next - 1 - uint32(number) - uint32(payload)
	binary.BigEndian.PutUint16(packet, t.local.Port())
	binary.BigEndian.PutUint16(packet[2:], t.peer.Port())
	binary.BigEndian.PutUint32(packet[4:], sequence)
	binary.BigEndian.PutUint32(packet[8:], t.ack)
	packet[12] = byte((tcpHeader + options) / 4 << 4)
	packet[13] = flagACK
	binary.BigEndian.PutUint16(packet[14:], 0xffff)
	if options > 0 {
		copy(packet[tcpHeader:], []byte{1, 1, 8, 10})
		binary.BigEndian.PutUint32(packet[tcpHeader+4:], t.stamp)
		binary.BigEndian.PutUint32(packet[tcpHeader+8:], t.echo)
	}
	binary.BigEndian.PutUint16(packet[16:], checksum(pseudo(t.local.Addr(), t.peer.Addr(), unix.IPPROTO_TCP, length), packet))
	t.numbers[sequence] = number
	t.newest = number
	return packet
}

// reply takes the handshake's answer, and acknowledgements without data. A selective one
// names the segment that came twice (RFC 2883), another is held to be the newest's.
func (t *tcp) reply(packet []byte) int {
	if len(packet) < tcpHeader || binary.BigEndian.Uint16(packet) != t.peer.Port() || binary.BigEndian.Uint16(packet[2:]) != t.local.Port() {
		return 0
	}
	header, flags := int(packet[12]>>4)*4, packet[13]
	if header < tcpHeader || header > len(packet) || flags&flagRST != 0 || flags&flagACK == 0 {
		return 0
	}
	options := packet[tcpHeader:header]
	if flags&flagSYN != 0 {
		t.greet(packet, options)
		return 0
	}
	if len(packet) > header {
		return 0 // the service speaks
	}
	if blocks := option(options, optionSACK); len(blocks) >= 8 {
		return t.numbers[binary.BigEndian.Uint32(blocks)]
	}
	return t.newest
}

func (t *tcp) greet(packet, options []byte) {
	if t.opened {
		return
	}
	t.next, t.ack = binary.BigEndian.Uint32(packet[8:]), binary.BigEndian.Uint32(packet[4:])+1
	if stamps := option(options, optionStamps); len(stamps) >= 8 {
		t.echo, t.stamp = binary.BigEndian.Uint32(stamps), binary.BigEndian.Uint32(stamps[4:])
	}
	t.opened = true
}

// The options of RFC 9293, 2018 and 7323 that are read.
const (
	optionEnd, optionNone    = 0, 1
	optionSACK, optionStamps = 5, 8
)

// option finds an option's content, nil where it is not there.
func option(options []byte, kind byte) []byte {
	for len(options) > 0 {
		switch {
		case options[0] == optionEnd:
			return nil
		case options[0] == optionNone:
			options = options[1:]
		case len(options) < 2 || options[1] < 2 || int(options[1]) > len(options):
			return nil
		case options[0] == kind:
			return options[2:options[1]]
		default:
			options = options[options[1]:]
		}
	}
	return nil
}

func (t *tcp) quote(quoted []byte) int {
	if len(quoted) < 8 || binary.BigEndian.Uint16(quoted) != t.local.Port() || binary.BigEndian.Uint16(quoted[2:]) != t.peer.Port() {
		return 0
	}
	return t.numbers[binary.BigEndian.Uint32(quoted[4:])]
}

func (*tcp) arrival(bool, uint8, uint8) bool { return false }
