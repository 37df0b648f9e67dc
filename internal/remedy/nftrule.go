// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// The rules as the kernel's virtual machine takes them: what `nft --debug=netlink`
// shows for the same sentences.

const register = 1 // NFT_REG_1

// is compares one byte of the packet, or a piece of what is known of it.
func is(load expr.Any, value byte) []expr.Any {
	return []expr.Any{load, &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{value}}}
}

func meta(key expr.MetaKey) expr.Any { return &expr.Meta{Key: key, Register: register} }

// transport loads bytes of the transport header.
func transport(offset, size uint32) expr.Any {
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: size}
}

// tooBigAccepted is "icmp type destination-unreachable icmp code frag-needed accept",
// or "icmpv6 type packet-too-big accept".
func tooBigAccepted(family nftables.TableFamily, six bool) []expr.Any {
	const unreachable, fragNeeded, tooBig = 3, 4, 2
	protocol, version := byte(unix.IPPROTO_ICMP), byte(unix.NFPROTO_IPV4)
	if six {
		protocol, version = unix.IPPROTO_ICMPV6, unix.NFPROTO_IPV6
	}
	var all []expr.Any
	if family == nftables.TableFamilyINet {
		all = is(meta(expr.MetaKeyNFPROTO), version)
	}
	all = append(all, is(meta(expr.MetaKeyL4PROTO), protocol)...)
	if six {
		all = append(all, is(transport(0, 1), tooBig)...)
	} else { // type and code lie side by side: nft loads them at once
		all = append(all, transport(0, 2), &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{unreachable, fragNeeded}})
	}
	return append(all, &expr.Verdict{Kind: expr.VerdictAccept})
}

// mssClamped is "tcp flags syn tcp option maxseg size set rt mtu".
func mssClamped() []expr.Any {
	const (
		flagsAt, syn  = 13, 0x02
		maxSegment    = 2 // the option's kind (RFC 9293)
		sizeAt, short = 2, 2
	)
	all := is(meta(expr.MetaKeyL4PROTO), unix.IPPROTO_TCP)
	return append(all,
		transport(flagsAt, 1),
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 1, Mask: []byte{syn}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: []byte{0}},
		&expr.Rt{Register: register, Key: expr.RtTCPMSS},
		&expr.Byteorder{SourceRegister: register, DestRegister: register, Op: expr.ByteorderHton, Len: short, Size: short},
		&expr.Exthdr{SourceRegister: register, Type: maxSegment, Offset: sizeAt, Len: short, Op: expr.ExthdrOpTcpopt},
	)
}

// remark is a rule's comment, as nft(8) shows it.
func remark(text string) []byte { return userdata.AppendString(nil, userdata.TypeComment, text) }
