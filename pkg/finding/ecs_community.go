// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the Community ID specification asks for SHA-1; it names, it does not protect
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers that have ports, or an ICMP type and code in their place.
const (
	protocolICMP   = 1
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
)

// CommunityID gives the Community ID v1 of a flow with seed 0: the same text that
// Zeek, Suricata and Elastic compute, whichever direction they saw. For ICMP the
// ports are the type and the code. It gives "" where an address is missing.
//
// https://github.com/corelight/community-id-spec
func CommunityID(source, destination netip.AddrPort, protocol uint8) string {
	from, to := source.Addr().Unmap(), destination.Addr().Unmap()
	if !from.IsValid() || !to.IsValid() {
		return ""
	}
	p, q := source.Port(), destination.Port()
	oneWay := false
	if protocol == protocolICMP || protocol == protocolICMPv6 {
		p, q, oneWay = icmpPorts(protocol, p, q)
	}
	a, b := from.AsSlice(), to.AsSlice()
	if order := bytes.Compare(a, b); !oneWay && (order > 0 || order == 0 && p > q) {
		a, b, p, q = b, a, q, p
	}
	text := append(make([]byte, 2, 40), a...)
	text = append(text, b...)
	text = append(text, protocol, 0)
	text = binary.BigEndian.AppendUint16(text, p)
	text = binary.BigEndian.AppendUint16(text, q)
	sum := sha1.Sum(text) //nolint:gosec // see the import
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}

// icmpPorts stands a type and its answer's type in for ports, so that a question and
// its answer are one flow; a type without an answer goes one way, with its code.
func icmpPorts(protocol uint8, kind, code uint16) (p, q uint16, oneWay bool) {
	if answer, paired := icmpAnswer(protocol, kind); paired {
		return kind, answer, false
	}
	return kind, code, true
}

// icmpAnswer follows Zeek's table, which the specification points to.
func icmpAnswer(protocol uint8, kind uint16) (uint16, bool) {
	pairs := [][2]uint16{{0, 8}, {9, 10}, {13, 14}, {15, 16}, {17, 18}}
	if protocol == protocolICMPv6 {
		pairs = [][2]uint16{{128, 129}, {130, 131}, {133, 134}, {135, 136}, {139, 140}, {144, 145}}
	}
	for _, pair := range pairs {
		switch kind {
		case pair[0]:
			return pair[1], true
		case pair[1]:
			return pair[0], true
		}
	}
	return 0, false
}

func (f Flow) icmp() bool { return f.Transport == "icmp" || f.Transport == "ipv6-icmp" }

// communityID names the one flow that a finding is about. Where a port is not known
// the finding is about many flows, and an id with port 0 would join with none.
func (f Flow) communityID() string {
	protocol, known := f.protocol()
	switch {
	case !known:
		return ""
	case f.icmp() && f.SourcePort == 0 && f.DestinationPort == 0:
		return ""
	case !f.icmp() && (f.SourcePort == 0 || f.DestinationPort == 0):
		return ""
	}
	source := netip.AddrPortFrom(f.Source, f.SourcePort)
	return CommunityID(source, netip.AddrPortFrom(f.Destination, f.DestinationPort), protocol)
}

func (f Flow) protocol() (number uint8, known bool) {
	switch f.Transport {
	case "tcp":
		return protocolTCP, true
	case "udp":
		return protocolUDP, true
	case "icmp":
		return protocolICMP, true
	case "ipv6-icmp":
		return protocolICMPv6, true
	default:
		return 0, false
	}
}
