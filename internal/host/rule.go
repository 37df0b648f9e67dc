// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The rules that every namespace is born with (ip-rule(8)).
const (
	localPriority   = 0
	mainPriority    = 32766
	defaultPriority = 32767
)

// rule is an RTM_NEWRULE (struct fib_rule_hdr and FRA_* of fib_rules.h).
type rule struct {
	family, tos, action      uint8
	invert                   bool
	from, to                 netip.Prefix
	priority, table, target  uint32
	mark, mask               uint32
	masked, vrf              bool
	in, out                  string
	uids, protocol           string
	sourcePorts, targetPorts string
	suppress, group          uint32
	suppresses, groups       bool
}

// rules implements World.Rules for the calling thread's namespace.
func rules() ([]string, error) {
	found, err := readRules()
	var all []string
	for i := range found {
		all = append(all, found[i].text())
	}
	return all, err
}

// readRules lists the policy rules of both families beside the inborn ones.
func readRules() ([]rule, error) {
	var all []rule
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		body := &nl.RtMsg{RtMsg: unix.RtMsg{Family: family}}
		found, err := dump(unix.RTM_GETRULE, []nl.NetlinkRequestData{body}, func(msg []byte) (rule, bool) {
			r, ok := parseRule(msg)
			return r, ok && r.family == family && !r.inborn()
		})
		if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EOPNOTSUPP) {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// inborn tells whether the rule is one of those that every namespace has.
func (r *rule) inborn() bool {
	usual := map[uint32]uint32{
		localPriority:   unix.RT_TABLE_LOCAL,
		mainPriority:    unix.RT_TABLE_MAIN,
		defaultPriority: unix.RT_TABLE_DEFAULT,
	}
	plain := rule{family: r.family, action: unix.FR_ACT_TO_TBL, priority: r.priority, table: usual[r.priority]}
	return plain.table != 0 && *r == plain
}

func parseRule(msg []byte) (rule, bool) {
	if len(msg) < unix.SizeofRtMsg {
		return rule{}, false
	}
	r := rule{
		family: msg[0], tos: msg[3], table: uint32(msg[4]), action: msg[7],
		invert: binary.NativeEndian.Uint32(msg[8:])&unix.FIB_RULE_INVERT != 0,
	}
	for kind, value := range attributes(msg[unix.SizeofRtMsg:]) {
		r.match(kind, value, msg[1], msg[2])
		r.act(kind, value)
	}
	return r, true
}

// match takes the attributes that say for which packets the rule is.
func (r *rule) match(kind uint16, value []byte, toBits, fromBits uint8) {
	switch kind {
	case unix.FRA_SRC:
		r.from = prefix(value, fromBits)
	case unix.FRA_DST:
		r.to = prefix(value, toBits)
	case unix.FRA_FWMARK:
		r.mark = number(value)
	case unix.FRA_FWMASK:
		r.mask = number(value)
		r.masked = r.mask != 0
	case unix.FRA_IIFNAME:
		r.in = text(value)
	case unix.FRA_OIFNAME:
		r.out = text(value)
	case unix.FRA_IP_PROTO:
		if len(value) > 0 {
			r.protocol = transport(value[0])
		}
	case unix.FRA_SPORT_RANGE:
		r.sourcePorts = portRange(value)
	case unix.FRA_DPORT_RANGE:
		r.targetPorts = portRange(value)
	case unix.FRA_UID_RANGE:
		if len(value) >= 8 {
			r.uids = fmt.Sprintf("%d-%d", number(value), number(value[4:]))
		}
	}
}

// act takes the attributes that say what the rule does.
func (r *rule) act(kind uint16, value []byte) {
	switch kind {
	case unix.FRA_PRIORITY:
		r.priority = number(value)
	case unix.FRA_TABLE:
		r.table = number(value)
	case unix.FRA_GOTO:
		r.target = number(value)
	case unix.FRA_L3MDEV:
		r.vrf = len(value) > 0 && value[0] != 0
	case unix.FRA_SUPPRESS_PREFIXLEN:
		r.suppress = number(value)
		r.suppresses = r.suppress != ^uint32(0)
		if !r.suppresses {
			r.suppress = 0
		}
	case unix.FRA_SUPPRESS_IFGROUP:
		r.group = number(value)
		r.groups = r.group != ^uint32(0)
		if !r.groups {
			r.group = 0
		}
	}
}

func transport(number uint8) string {
	switch number {
	case unix.IPPROTO_TCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	case unix.IPPROTO_ICMP:
		return "icmp"
	default:
		return decimal(uint32(number))
	}
}

func portRange(value []byte) string {
	if len(value) < 4 {
		return ""
	}
	low, high := binary.NativeEndian.Uint16(value), binary.NativeEndian.Uint16(value[2:])
	if low == high {
		return decimal(uint32(low))
	}
	return fmt.Sprintf("%d-%d", low, high)
}

// text gives the rule in the form of iproute2's `ip rule`. A rule for IPv6 in
// which no address shows that is marked as one, by a shell comment.
func (r *rule) text() string {
	words := []string{decimal(r.priority) + ":"}
	if r.invert {
		words = append(words, "not")
	}
	words = append(words, "from", prefixText(r.from, "all"))
	if r.to.IsValid() {
		words = append(words, "to", prefixText(r.to, "all"))
	}
	words = append(words, r.matches()...)
	words = append(words, r.actions()...)
	if r.family == unix.AF_INET6 && !r.from.IsValid() && !r.to.IsValid() {
		words = append(words, "# IPv6")
	}
	return strings.Join(words, " ")
}

func (r *rule) matches() []string {
	var words []string
	if r.tos != 0 {
		words = append(words, "tos", fmt.Sprintf("%#02x", r.tos))
	}
	switch {
	case r.masked && r.mask != ^uint32(0):
		words = append(words, "fwmark", fmt.Sprintf("%#x/%#x", r.mark, r.mask))
	case r.masked || r.mark != 0:
		words = append(words, "fwmark", fmt.Sprintf("%#x", r.mark))
	}
	for _, one := range [][2]string{
		{"iif", r.in}, {"oif", r.out}, {"uidrange", r.uids}, {"ipproto", r.protocol},
		{"sport", r.sourcePorts}, {"dport", r.targetPorts},
	} {
		if one[1] != "" {
			words = append(words, one[0], one[1])
		}
	}
	return words
}

func (r *rule) actions() []string {
	var words []string
	if name, ok := ruleActions[r.action]; ok {
		return append(words, name)
	}
	switch {
	case r.vrf:
		words = append(words, "lookup", "[l3mdev-table]")
	case r.action == unix.FR_ACT_GOTO:
		return append(words, "goto", decimal(r.target))
	default:
		words = append(words, "lookup", tableName(r.table))
	}
	if r.suppresses {
		words = append(words, "suppress_prefixlength", decimal(r.suppress))
	}
	if r.groups {
		words = append(words, "suppress_ifgroup", decimal(r.group))
	}
	return words
}
