// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The messages are parsed here rather than by the netlink package: of a hundred
// thousand routes and their attributes only a few matter, and its rules leave out
// what a rule does.

// dumpTries bounds how often a dump that a change interrupted is begun anew; then
// what came is taken as it is.
const dumpTries = 3

// dump asks for all objects of a kind and gives those that parse takes. The
// message is parse's only while the call lasts.
func dump[T any](kind int, body []nl.NetlinkRequestData, parse func(msg []byte) (T, bool)) ([]T, error) {
	var found []T
	var err error
	for range dumpTries {
		found = found[:0]
		request := nl.NewNetlinkRequest(kind, unix.NLM_F_DUMP)
		request.Data = body
		err = request.ExecuteIter(unix.NETLINK_ROUTE, 0, func(msg []byte) bool {
			if one, ok := parse(msg); ok {
				found = append(found, one)
			}
			return true
		})
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return found, err
		}
	}
	return found, nil
}

// ask puts one question and gives the first answer.
func ask(kind int, body ...nl.NetlinkRequestData) ([]byte, error) {
	request := nl.NewNetlinkRequest(kind, 0)
	request.Data = body
	answers, err := request.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil {
		return nil, err
	}
	if len(answers) == 0 {
		return nil, errors.New("the kernel gave no answer")
	}
	return answers[0], nil
}

// attributes walks netlink attributes (netlink(7)). It ends where one is cut
// short. Flags in the type's upper two bits are taken off.
func attributes(b []byte) func(yield func(kind uint16, value []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			size := int(binary.NativeEndian.Uint16(b))
			if size < unix.SizeofRtAttr || size > len(b) {
				return
			}
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(kind, b[unix.SizeofRtAttr:size]) {
				return
			}
			b = b[min(aligned(size), len(b)):]
		}
	}
}

func aligned(size int) int { return (size + unix.RTA_ALIGNTO - 1) &^ (unix.RTA_ALIGNTO - 1) }

// number reads a 32-bit attribute, 0 where it is too short.
func number(value []byte) uint32 {
	if len(value) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(value)
}

// text reads a string attribute, which may or may not end in a zero byte.
func text(value []byte) string {
	for i, b := range value {
		if b == 0 {
			return string(value[:i])
		}
	}
	return string(value)
}

// address reads an address attribute, the zero Addr where it is none.
func address(value []byte) netip.Addr {
	addr, _ := netip.AddrFromSlice(value)
	return addr
}

// prefix reads an address attribute with its length from the message's header.
func prefix(value []byte, bits uint8) netip.Prefix {
	return netip.PrefixFrom(address(value), int(bits))
}
