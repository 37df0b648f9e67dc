// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"net/netip"
	"strconv"
	"strings"
)

// Sysctl sets a kernel parameter of the step's namespace: `sysctl -w KEY=VALUE`.
type Sysctl struct {
	// Key is in sysctl's own form, dots for slashes; a dot inside an interface
	// name is written as a slash, as sysctl(8) wants it. It has no "=": sysctl(8)
	// knows no way to write one.
	Key   string
	Value string
}

// RouteOp adds, replaces or deletes a route: `ip [-6] route VERB ...`.
type RouteOp struct {
	// Verb is "add", "prepend", "append", "replace" or "del". Of IPv4 routes of one rank
	// the kernel takes the first.
	Verb        string
	Destination netip.Prefix // invalid for the default route
	Gateway     netip.Addr
	Dev         string
	Source      netip.Addr
	Table       uint32 // 0 for main
	Metric      uint32
	MTU         uint32
	MTULock     bool // the kernel does not lower it, whatever ICMP says
	AdvMSS      uint32
	OnLink      bool
	IPv6        bool // needed for a default route without gateway
	// Protocol says who made it, as ip-route(8) names it; "" for "boot", a person.
	Protocol string
	// Hops are those of a route with several, which has no Gateway and Dev itself.
	Hops []Hop
}

// RuleOp adds or deletes a policy rule: `ip [-6] rule VERB from PREFIX table N`.
type RuleOp struct {
	Verb     string
	From     netip.Prefix // invalid for any source, IPv4
	Priority uint32
	Table    uint32
}

// LinkOp sets a link's MTU: `ip link set dev DEV mtu N`.
type LinkOp struct {
	Dev string
	MTU uint32
}

// NftOp is one nft command, given as nft(8) reads it: `nft 'COMMAND'`.
type NftOp struct{ Command string }

// FileOp writes a file of the host, whole: how a fix is kept over a reboot.
type FileOp struct {
	Path    string
	Content string
}

// Command is a line for a person: it looks or advises. The agent never runs it.
type Command struct{ Line string }

func (Sysctl) sealedOp()  {}
func (RouteOp) sealedOp() {}
func (RuleOp) sealedOp()  {}
func (LinkOp) sealedOp()  {}
func (NftOp) sealedOp()   {}
func (FileOp) sealedOp()  {}
func (Command) sealedOp() {}

// SysctlKey joins a key's parts, which may be interface names with dots in them.
func SysctlKey(parts ...string) string {
	escaped := make([]string, len(parts))
	for i, part := range parts {
		escaped[i] = strings.ReplaceAll(part, ".", "/")
	}
	return strings.Join(escaped, ".")
}

// Shell implements Op.
func (s Sysctl) Shell() string { return "sysctl -w " + quote(s.Key+"="+s.Value) }

// Shell implements Op.
func (r RouteOp) Shell() string {
	words := append(ipCommand(r.Six()), "route", r.Verb, prefixOr(r.Destination, "default"))
	words = append(words, via(r.Gateway, r.Six())...)
	words = appendWord(words, "dev", r.Dev)
	words = appendWord(words, "proto", r.Protocol)
	words = appendAddr(words, "src", r.Source)
	words = appendNumber(words, "table", r.Table)
	words = appendNumber(words, "metric", r.Metric)
	words = appendNumber(words, r.mtuWords(), r.MTU)
	words = appendNumber(words, "advmss", r.AdvMSS)
	if r.OnLink {
		words = append(words, "onlink")
	}
	for _, hop := range r.Hops {
		words = append(words, hop.words(r.Six())...)
	}
	return strings.Join(words, " ")
}

func (r RouteOp) mtuWords() string {
	if r.MTULock {
		return "mtu lock"
	}
	return "mtu"
}

// Six tells whether the route is one of IPv6.
func (r RouteOp) Six() bool {
	if r.Destination.IsValid() {
		return r.Destination.Addr().Is6()
	}
	return r.IPv6 || r.Gateway.Is6() || r.Source.Is6() || len(r.Hops) > 0 && r.Hops[0].Gateway.Is6()
}

// Shell implements Op.
func (r RuleOp) Shell() string {
	words := append(ipCommand(r.From.Addr().Is6()), "rule", r.Verb, "from", prefixOr(r.From, "all"))
	words = appendNumber(words, "table", r.Table)
	words = appendNumber(words, "priority", r.Priority)
	return strings.Join(words, " ")
}

// Shell implements Op.
func (l LinkOp) Shell() string {
	return "ip link set dev " + quote(l.Dev) + " mtu " + strconv.FormatUint(uint64(l.MTU), 10)
}

// Shell implements Op.
func (n NftOp) Shell() string { return "nft " + quote(n.Command) }

// Shell implements Op. Each line of the content is one argument, so that the
// command is one line itself, whatever it writes.
func (f FileOp) Shell() string {
	lines := strings.Split(f.Content, "\n")
	format := strings.Repeat(`%s\n`, len(lines)-1) + "%s"
	if last := len(lines) - 1; last > 0 && lines[last] == "" {
		lines, format = lines[:last], `%s\n` // printf uses it again for each line
	}
	words := []string{"printf", "'" + format + "'"}
	for _, line := range lines {
		words = append(words, quote(line))
	}
	return strings.Join(words, " ") + " > " + quote(f.Path)
}

// Shell implements Op.
func (c Command) Shell() string { return c.Line }

func ipCommand(six bool) []string {
	if six {
		return []string{"ip", "-6"}
	}
	return []string{"ip"}
}

// prefixOr writes a prefix without the bits behind its length, which the kernel
// refuses.
func prefixOr(prefix netip.Prefix, none string) string {
	if !prefix.IsValid() {
		return none
	}
	return prefix.Masked().String()
}

func appendAddr(words []string, key string, addr netip.Addr) []string {
	if !addr.IsValid() {
		return words
	}
	return append(words, key, addr.String())
}

func appendWord(words []string, key, value string) []string {
	if value == "" {
		return words
	}
	return append(words, key, quote(value))
}

func appendNumber(words []string, key string, n uint32) []string {
	if n == 0 {
		return words
	}
	return append(words, key, strconv.FormatUint(uint64(n), 10))
}
