// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ReverseCheck is the kernel's own verdict on a packet that would come in by an
// interface: the input lookup of RTM_GETROUTE with RTA_IIF runs the very check that
// received packets go through (fib_validate_source), policy rules and all.
type ReverseCheck struct {
	Iface string
	// Prefix is the route by which the interface claims the source, invalid for a
	// default route; Gateway tells that it goes by a router.
	Prefix  netip.Prefix
	Gateway bool
	// From and To are the packet's addresses, Mark the fwmark that made it pass.
	From, To netip.Addr
	Mark     uint32
	Passes   bool
	// Error is the kernel's answer where it does not pass.
	Error string
	// Back is the route that the kernel would take towards From.
	Back event.RouteBack
}

// farAway are addresses on the Internet in different corners of the numbering: one of
// them is met by no route but the default one, on any host.
var farAway = []string{
	"198.51.100.1", "203.0.113.1", "192.0.2.1", "9.9.9.9", "45.66.77.88", "100.1.2.3", "150.100.50.25", "200.1.2.3", "223.1.2.3",
}

// surveyReverse asks about each interface in strict mode: for the prefixes that it
// shares with another interface, and for some that it has alone, which only a policy
// rule can take away from it.
func (s *Survey) surveyReverse(c *claims) {
	if c == nil {
		return
	}
	marks := Marks()
	for i := range s.Devices {
		d := &s.Devices[i]
		to := s.receiver(d)
		if !c.strict[d.Index] || d.Master != 0 && s.bridged(d) || !to.IsValid() {
			continue
		}
		for _, one := range c.of(d.Index) {
			if check, ok := checkClaim(d, one, to, marks); ok {
				s.Reverse = append(s.Reverse, check)
			}
		}
	}
}

// contestedClaims bounds how many contested prefixes of an interface are asked about.
const contestedClaims = 64

func (c *claims) of(index uint32) []claim {
	var mine []claim
	for _, rivals := range c.contested {
		for _, one := range rivals {
			if one.index == index {
				mine = append(mine, one)
			}
		}
	}
	slices.SortFunc(mine, func(a, b claim) int { return strings.Compare(a.prefix.String(), b.prefix.String()) })
	mine = mine[:min(len(mine), contestedClaims)]
	for _, one := range c.sole[index] {
		same := func(other claim) bool { return other.prefix == one.prefix }
		if !slices.ContainsFunc(mine, same) {
			mine = append(mine, one)
		}
	}
	return mine
}

// bridged tells whether a device's packets are its bridge's, not its own.
func (s *Survey) bridged(d *Device) bool {
	master := s.Device(d.Master)
	return master == nil || master.Type != "vrf"
}

// receiver is the address of this host that a packet would be for: the interface's
// own, else any.
func (s *Survey) receiver(d *Device) netip.Addr {
	if own := FirstIPv4(d.Prefixes); own.IsValid() {
		return own
	}
	for i := range s.Devices {
		other := &s.Devices[i]
		if own := FirstIPv4(other.Prefixes); own.IsValid() && other.Up && other.Type != "loopback" {
			return own
		}
	}
	return netip.Addr{}
}

// FirstIPv4 gives the first IPv4 address of some prefixes, an invalid one where there is
// none.
func FirstIPv4(prefixes []netip.Prefix) netip.Addr {
	for _, p := range prefixes {
		if p.Addr().Is4() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// Marks are the fwmarks that the policy rules of the calling thread's namespace match,
// with 0 first. A packet that the firewall marked is looked up with its mark where
// src_valid_mark says so, as WireGuard's setup does.
func Marks() []uint32 {
	marks := []uint32{0}
	all, err := readRules()
	if err != nil {
		return marks
	}
	for i := range all {
		if one := all[i].mark; one != 0 && !slices.Contains(marks, one) && len(marks) < maxMarks {
			marks = append(marks, one)
		}
	}
	return marks
}

const maxMarks = 16

// checkClaim asks about one source out of a prefix; false where none could be found
// that belongs to it and to no narrower route.
func checkClaim(d *Device, one claim, to netip.Addr, marks []uint32) (ReverseCheck, bool) {
	from := sampleOf(one.prefix)
	if !from.IsValid() {
		return ReverseCheck{}, false
	}
	check := AskReverse(from, to, d.Index, marks)
	if !check.Passes && linkName(d.Index) == "" {
		return ReverseCheck{}, false // it went away since it was listed: that is no verdict
	}
	check.Iface, check.Prefix, check.Gateway = d.Name, one.prefix, one.gateway
	return check, true
}

// AskReverse asks the kernel about a packet, without a mark and then with each one,
// in the calling thread's namespace. The first mark that lets it pass is told.
func AskReverse(from, to netip.Addr, index uint32, marks []uint32) ReverseCheck {
	check := ReverseCheck{From: from, To: to}
	for _, mark := range marks {
		err := inputLookup(from, to, index, mark)
		if err == nil {
			check.Passes, check.Mark, check.Error = true, mark, ""
			return check
		}
		if check.Error == "" {
			check.Error = refusal(err)
		}
	}
	check.Back = routeBack(from, to)
	return check
}

// refusal puts the kernel's error into words: the same error, EINVAL, stands for any
// source that it does not take.
func refusal(err error) string {
	if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EINVAL) {
		return "its source does not pass the check (" + err.Error() + ")"
	}
	return err.Error()
}

// inputLookup gives nil where the kernel would take the packet. A strict check that
// fails is EXDEV, since Linux 6.13 EINVAL (inet_rtm_getroute).
func inputLookup(from, to netip.Addr, index, mark uint32) error {
	more := append(sourceOf(from), nl.NewRtAttr(unix.RTA_IIF, nl.Uint32Attr(index)))
	if mark != 0 {
		more = append(more, nl.NewRtAttr(unix.RTA_MARK, nl.Uint32Attr(mark)))
	}
	_, err := lookup(to, more, unix.RTM_F_LOOKUP_TABLE)
	return err
}

// sampleOf finds an address inside a prefix that no narrower route covers, so that it
// speaks for the prefix. The zero Addr where it finds none.
func sampleOf(prefix netip.Prefix) netip.Addr {
	for _, candidate := range candidates(prefix) {
		found, err := lookup(candidate, nil, unix.RTM_F_LOOKUP_TABLE|unix.RTM_F_FIB_MATCH)
		noRoute := errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH)
		if noRoute || err == nil && found.kind == unix.RTN_UNICAST && found.destination == prefix {
			return candidate
		}
	}
	return netip.Addr{}
}

func candidates(prefix netip.Prefix) []netip.Addr {
	var list []netip.Addr
	if !prefix.IsValid() {
		for _, text := range farAway {
			list = append(list, netip.MustParseAddr(text))
		}
		return list
	}
	low := prefix.Masked().Addr()
	if prefix.Bits() >= low.BitLen()-1 {
		return append(list, low, low.Next())[:1+min(1, low.BitLen()-prefix.Bits())]
	}
	// The first addresses are gateways' and the narrower routes' as a rule, so some from
	// further inside are tried, too.
	bytes := low.As4()
	host := uint32(1)<<(32-prefix.Bits()) - 1
	for _, offset := range []uint32{1, host / 2, host - 1, host / 3, 2, host / 5 * 4} {
		value := uint32(bytes[0])<<24 | uint32(bytes[1])<<16 | uint32(bytes[2])<<8 | uint32(bytes[3])
		value += offset
		list = append(list, netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}))
	}
	return list
}
