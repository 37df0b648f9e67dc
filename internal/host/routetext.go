// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// text gives the route in the form of iproute2's `ip route`, on one line. What
// changes by itself, such as the seconds until a route expires, is left out: it
// would make every look at the same route another text.
func (r *route) text(name func(uint32) string) string {
	words := r.subject()
	if r.nexthop != 0 {
		words = append(words, "nhid", decimal(r.nexthop))
	}
	if len(r.more) == 0 {
		words = append(words, r.first.words(r.family, name)...)
	}
	if r.table != unix.RT_TABLE_MAIN {
		words = append(words, "table", tableName(r.table))
	}
	if r.protocol != unix.RTPROT_BOOT {
		words = append(words, "proto", protocolName(r.protocol))
	}
	if scope, ok := scopes[r.scope]; ok {
		words = append(words, "scope", scope)
	}
	if r.source.IsValid() {
		words = append(words, "src", r.source.String())
	}
	if r.metric != 0 {
		words = append(words, "metric", decimal(r.metric))
	}
	words = append(words, r.properties()...)
	for i := range r.more {
		words = append(words, "nexthop")
		words = append(words, r.more[i].words(r.family, name)...)
		words = append(words, "weight", strconv.Itoa(r.more[i].weight))
	}
	return strings.Join(words, " ")
}

func (r *route) subject() []string {
	var words []string
	if kind, ok := routeKinds[r.kind]; ok {
		words = append(words, kind)
	}
	words = append(words, prefixText(r.destination, "default"))
	if r.from.IsValid() {
		words = append(words, "from", prefixText(r.from, "all"))
	}
	if r.tos != 0 {
		words = append(words, "tos", fmt.Sprintf("%#02x", r.tos))
	}
	return words
}

func (r *route) properties() []string {
	words := flagWords(uint8(r.flags))
	if r.mtu != 0 && r.mtuLocked {
		words = append(words, "mtu", "lock", decimal(r.mtu))
	} else if r.mtu != 0 {
		words = append(words, "mtu", decimal(r.mtu))
	}
	if r.advmss != 0 {
		words = append(words, "advmss", decimal(r.advmss))
	}
	if r.family == unix.AF_INET6 {
		if pref, ok := preferences[r.preference]; ok {
			words = append(words, "pref", pref)
		}
	}
	return words
}

func (h *hop) words(family uint8, name func(uint32) string) []string {
	var words []string
	switch {
	case !h.gateway.IsValid():
	case h.gateway.Is6() && family == unix.AF_INET:
		words = append(words, "via", "inet6", h.gateway.String())
	default:
		words = append(words, "via", h.gateway.String())
	}
	if h.index != 0 {
		words = append(words, "dev", name(h.index))
	}
	return append(words, flagWords(h.flags)...)
}

func flagWords(flags uint8) []string {
	var words []string
	for _, flag := range hopFlags {
		if flags&flag.bit != 0 {
			words = append(words, flag.word)
		}
	}
	return words
}

// prefixText writes a prefix as iproute2 does: a host's without its length.
func prefixText(p netip.Prefix, none string) string {
	switch {
	case !p.IsValid() || p.Bits() == 0:
		return none
	case p.IsSingleIP():
		return p.Addr().String()
	default:
		return p.String()
	}
}

func tableName(table uint32) string {
	switch table {
	case unix.RT_TABLE_LOCAL:
		return "local"
	case unix.RT_TABLE_MAIN:
		return "main"
	case unix.RT_TABLE_DEFAULT:
		return "default"
	default:
		return decimal(table)
	}
}

func protocolName(protocol uint8) string {
	if name, ok := protocols[protocol]; ok {
		return name
	}
	return decimal(uint32(protocol))
}

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
