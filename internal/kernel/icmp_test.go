// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// quote4 is the start of an IPv4 packet of 1500 bytes as an error quotes it: the
// header with extra bytes of options, and no more of TCP than RFC 792 asks for.
func quote4(options int) []byte {
	head := make([]byte, 20+options, 64)
	head[0] = 0x40 | byte((20+options)/4)
	binary.BigEndian.PutUint16(head[2:], 1500)
	head[8], head[9] = 60, unix.IPPROTO_TCP
	copy(head[12:], []byte{192, 0, 2, 1, 198, 51, 100, 7})
	return append(head, ports()...)
}

// quote6 is IPv6's, with extension headers before TCP.
func quote6(extensions ...byte) []byte {
	head := make([]byte, 40, 96)
	head[0], head[6], head[7] = 0x60, unix.IPPROTO_TCP, 60
	binary.BigEndian.PutUint16(head[4:], 1460)
	source, destination := netip.MustParseAddr("2001:db8::1").As16(), netip.MustParseAddr("2001:db8::7").As16()
	copy(head[8:], source[:])
	copy(head[24:], destination[:])
	next := &head[6]
	for _, kind := range extensions {
		*next = kind
		head = append(head, make([]byte, 8)...)
		next = &head[len(head)-8]
		*next = unix.IPPROTO_TCP
	}
	return append(head, ports()...)
}

// ports are TCP's first 8 bytes: 40000 to 443, sequence 77.
func ports() []byte { return []byte{0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 77} }

// tooBig is an error of MTU 1400 about a packet.
func tooBig(six bool, quote []byte) []byte {
	msg := []byte{3, 4, 0, 0, 0, 0, 0x05, 0x78}
	if six {
		msg[0], msg[1] = 2, 0
	}
	msg = append(msg, quote...)
	if !six {
		binary.BigEndian.PutUint16(msg[2:], checksum(msg))
	}
	return msg
}

// checksum is the internet checksum (RFC 1071). The kernel fills in ICMPv6's.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		pair := uint32(b[i]) << 8
		if i+1 < len(b) {
			pair |= uint32(b[i+1])
		}
		sum += pair
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// sendErrors sends ICMP messages from the peer to the host.
func (h host) sendErrors(t *testing.T, six bool, messages ...[]byte) {
	t.Helper()
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	var to unix.Sockaddr = &unix.SockaddrInet4{Addr: netip.MustParseAddr(hostLeft).As4()}
	if six {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
		to = &unix.SockaddrInet6{Addr: netip.MustParseAddr(hostSix).As16()}
	}
	h.peer.Do(t, func() error {
		fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, msg := range messages {
			if err := unix.Sendto(fd, msg, 0, to); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestReceivedErrorIsReadWithItsQuotedPacket(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	k := mustOpen(t, Options{Netns: []event.Netns{h.host.ID}, Sights: []string{hook.SightICMP}, SampleEvery: time.Nanosecond})
	e := listen(t, k)
	for name, test := range map[string]struct {
		six   bool
		quote []byte
	}{
		"IPv4": {false, quote4(0)}, "IPv4 with options": {false, quote4(40)},
		"IPv6": {true, quote6()}, "IPv6 with extensions": {true, quote6(unix.IPPROTO_HOPOPTS, unix.IPPROTO_FRAGMENT)},
	} {
		t.Run(name, func(t *testing.T) {
			e.forgetErrors()
			h.sendErrors(t, test.six, tooBig(test.six, test.quote))
			kerneltest.Within(t, 20*time.Second, "the error is told", func() bool { return e.lastError() != nil })
			checkError(t, e.lastError(), test.six)
		})
	}
}

func checkError(t *testing.T, e *event.TooBig, six bool) {
	t.Helper()
	if !e.Received() || e.MTU != 1400 || e.Iface != "left" || e.Packet.ICMPMTU != 1400 {
		t.Errorf("told %+v", e)
	}
	if want := whatIsQuoted(six); e.Inner != want {
		t.Errorf("quoted %+v, want %+v", e.Inner, want)
	}
}

// whatIsQuoted is what quote4 and quote6 say.
func whatIsQuoted(six bool) event.Packet {
	want := event.Packet{
		Source: netip.MustParseAddrPort("192.0.2.1:40000"), Destination: netip.MustParseAddrPort("198.51.100.7:443"),
		Protocol: event.ProtocolTCP, Length: 1500, TTL: 60, Sequence: 77,
	}
	if six {
		want.Source, want.Destination = netip.MustParseAddrPort("[2001:db8::1]:40000"), netip.MustParseAddrPort("[2001:db8::7]:443")
	}
	return want
}

// Whatever a stranger quotes, the program reads no further than the packet goes, and
// tells the next error as it is.
func TestGarbledQuotesLeaveTheNextErrorWhole(t *testing.T) {
	kerneltest.Exclusive(t)
	h := twoCables(t)
	k := mustOpen(t, Options{Netns: []event.Netns{h.host.ID}, Sights: []string{hook.SightICMP}, SampleEvery: time.Nanosecond})
	e := listen(t, k)
	random := rand.New(rand.NewPCG(1, 2)) // the same garbage in each run
	for _, six := range []bool{false, true} {
		var messages [][]byte
		for range 500 {
			messages = append(messages, garbled(random, six))
		}
		h.sendErrors(t, six, messages...)
		e.forgetErrors()
		whole := quote4(0)
		if six {
			whole = quote6()
		}
		h.sendErrors(t, six, tooBig(six, whole))
		kerneltest.Within(t, 20*time.Second, "the whole error is told", func() bool {
			last := e.lastError()
			return last != nil && last.Inner == whatIsQuoted(six)
		})
	}
}

// garbled is an error whose quoted packet is cut somewhere and has wrong bytes.
func garbled(random *rand.Rand, six bool) []byte {
	quote := quote4(4 * random.IntN(11))
	if six {
		quote = quote6(byte(random.IntN(256)), byte(random.IntN(256)), unix.IPPROTO_FRAGMENT)
	}
	for range random.IntN(8) {
		quote[random.IntN(len(quote))] = byte(random.IntN(256))
	}
	return tooBig(six, quote[:random.IntN(len(quote)+1)])
}
