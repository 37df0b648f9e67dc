// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"encoding/binary"

	"github.com/google/nftables/xt"
)

// matchXT tells whether an xtables match holds, as iptables-nft still writes some.
func matchXT(p *packet, name string, info xt.InfoAny) truth {
	switch info := info.(type) {
	case *xt.ConntrackMtinfo1:
		return matchState(p, uint32(info.StateMask), info.MatchFlags, info.InvertFlags)
	case *xt.ConntrackMtinfo2:
		return matchState(p, uint32(info.StateMask), info.MatchFlags, info.InvertFlags)
	case *xt.ConntrackMtinfo3:
		return matchState(p, uint32(info.StateMask), info.MatchFlags, info.InvertFlags)
	case *xt.Tcp:
		if p.proto != protoTCP {
			return no
		}
		return maybe.and(matchFlags(info.FlagsMask, info.FlagsCmp, info.InvFlags&xt.TcpInvFlags != 0))
	case *xt.Udp:
		return no
	case *xt.Unknown:
		return matchRaw(p, name, *info)
	case *xt.Comment:
		return yes
	default:
		return maybe
	}
}

// matchRaw reads the matches that come as bytes, always so in the older iptables.
func matchRaw(p *packet, name string, data []byte) truth {
	switch name {
	case "comment", "limit":
		return yes // a limit lets the first through
	case "state":
		if len(data) < 4 {
			return maybe
		}
		return truthOf(binary.NativeEndian.Uint32(data)&p.state != 0)
	case "conntrack":
		return matchRawState(p, data)
	case "icmp":
		return matchICMP(p, protoICMP, data)
	case "icmp6":
		return matchICMP(p, protoICMPv6, data)
	case "tcp":
		return matchRawTCP(p, data)
	case "udp":
		return no
	default:
		return maybe
	}
}

// Offsets in struct xt_conntrack_mtinfo1 and later: eight addresses of 16 bytes, two
// times, five 16-bit numbers, the flags, then the state.
const (
	infoFlags  = 8*16 + 2*4 + 5*2
	infoInvert = infoFlags + 2
	infoState  = infoInvert + 2
)

func matchRawState(p *packet, data []byte) truth {
	if len(data) < infoState+2 {
		return maybe
	}
	// The low byte of the states: the machines that this runs on are little-endian.
	state := uint32(data[infoState])
	return matchState(p, state, binary.NativeEndian.Uint16(data[infoFlags:]), binary.NativeEndian.Uint16(data[infoInvert:]))
}

// matchState judges a conntrack match by the state alone; what else it asks for is
// not known.
func matchState(p *packet, states uint32, flags, inverted uint16) truth {
	const byState, alias = uint16(xt.ConntrackState), uint16(xt.ConntrackStateAlias)
	result := yes
	if flags&byState != 0 {
		result = truthOf((states&p.state != 0) != (inverted&byState != 0))
	}
	if flags&^(byState|alias) != 0 {
		result = result.and(maybe)
	}
	return result
}

// matchICMP reads struct ipt_icmp and ip6t_icmp: type, least and greatest code,
// inversion. Type 255 is any in IPv4.
func matchICMP(p *packet, proto byte, data []byte) truth {
	const size, anyType = 4, 255
	if p.proto != proto {
		return no
	}
	if len(data) < size {
		return maybe
	}
	hit := data[0] == p.icmpType && p.icmpCode >= data[1] && p.icmpCode <= data[2] || proto == protoICMP && data[0] == anyType
	return truthOf(hit != (data[3]&1 != 0))
}

// matchRawTCP reads struct xt_tcp.
func matchRawTCP(p *packet, data []byte) truth {
	const mask, compare, invert, size = 9, 10, 11, 12
	if p.proto != protoTCP {
		return no
	}
	if len(data) < size {
		return maybe
	}
	flags := matchFlags(data[mask], data[compare], data[invert]&byte(xt.TcpInvFlags) != 0)
	everyPort := binary.NativeEndian.Uint32(data) == anyPorts && binary.NativeEndian.Uint32(data[4:]) == anyPorts
	if everyPort && data[8] == 0 {
		return flags
	}
	return maybe.and(flags)
}

var anyPorts = binary.NativeEndian.Uint32([]byte{0, 0, 0xff, 0xff})

func matchFlags(mask, compare byte, inverted bool) truth {
	return truthOf((tcpAck&mask == compare) != inverted)
}

// targetXT gives what an xtables target does to the packet's way.
func targetXT(name string) step {
	switch name {
	case "DROP", "REJECT":
		return step{verdict: drop}
	case "ACCEPT", "NFQUEUE", "QUEUE", "SNAT", "DNAT", "MASQUERADE", "REDIRECT", "NETMAP", "TPROXY", "SYNPROXY":
		return step{verdict: accept}
	case "RETURN":
		return step{verdict: leave}
	default: // LOG, MARK, CT, TCPMSS and the like go on
		return step{verdict: next}
	}
}
