// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ParseStep is Shell's inverse: it reads a line back into the operation that it was
// rendered from, and its namespace. It knows what Shell writes for Sysctl, RouteOp,
// RuleOp, LinkOp, NftOp and ResolvOp, and close relatives; any other line is a Command. Does
// and Risk are not in the line and stay empty.
//
// An error is an empty line or one with an unclosed quote.
func ParseStep(line string) (Step, error) {
	if strings.TrimSpace(line) == "" {
		return Step{}, errors.New("parse step: the line is empty")
	}
	words, whole, err := lex(line)
	if err != nil {
		return Step{}, err
	}
	enter, used := parseEnter(words)
	rest, tail := words[used:], line
	if used > 0 {
		tail = strings.TrimPrefix(line[words[used-1].end:], " ")
		if remark := strings.TrimSpace(tail); remark == "" || remark[0] == '#' {
			return Step{Op: Command{Line: line}}, nil
		}
	}
	if whole {
		if op, ok := parseOp(texts(rest), used > 0); ok {
			return Step{Op: op, Enter: enter}, nil
		}
	}
	if op, ok := parseResolv(line, words); ok {
		return Step{Op: op}, nil
	}
	return Step{Op: Command{Line: tail}, Enter: enter}, nil
}

func texts(words []word) []string {
	all := make([]string, len(words))
	for i := range words {
		all[i] = words[i].text
	}
	return all
}

// parseEnter reads the prefix that Enter renders and tells how many words it has.
func parseEnter(words []word) (Enter, int) {
	if len(words) >= 4 && words[0].text == "ip" && words[1].text == "netns" && words[2].text == "exec" && words[3].text != "" {
		return Enter{Name: words[3].text}, 4
	}
	if len(words) >= 2 && words[0].text == "nsenter" {
		if path, ok := strings.CutPrefix(words[1].text, "--net="); ok && path != "" {
			return Enter{Path: path}, 2
		}
	}
	return Enter{}, 0
}

func parseOp(words []string, entered bool) (Op, bool) {
	switch {
	case len(words) == 3 && words[0] == "sysctl" && words[1] == "-w":
		key, value, ok := strings.Cut(words[2], "=")
		return Sysctl{Key: key, Value: value}, ok && key != ""
	case len(words) == 2 && words[0] == "nft":
		return NftOp{Command: words[1]}, words[1] != ""
	case entered && len(words) == 3 && words[0] == "sh" && words[1] == "-c":
		return parseInner(words[2])
	case len(words) >= 3 && words[0] == "ip":
		return parseIP(words[1:])
	default:
		return nil, false
	}
}

// parseInner reads what a shell of its own was given to do: a whole line.
func parseInner(line string) (Op, bool) {
	if words, whole, err := lex(line); err == nil && whole {
		if op, ok := parseOp(texts(words), false); ok {
			return op, true
		}
	}
	remark := strings.TrimSpace(line)
	return Command{Line: line}, remark != "" && remark[0] != '#'
}

func parseIP(words []string) (Op, bool) {
	six := words[0] == "-6"
	if six {
		words = words[1:]
	}
	if len(words) < 3 {
		return nil, false
	}
	switch words[0] {
	case "route":
		return parseRoute(words[1], words[2], arguments{words: words[3:]}, six)
	case "rule":
		return parseRule(words[1], arguments{words: words[2:]}, six)
	case "link":
		ours := len(words) == 6 && words[1] == "set" && words[2] == "dev" && words[4] == "mtu" && !six
		if !ours {
			return nil, false
		}
		mtu, err := strconv.ParseUint(words[5], 10, 32)
		return LinkOp{Dev: words[3], MTU: uint32(mtu)}, err == nil
	default:
		return nil, false
	}
}

func parseRoute(verb, destination string, rest arguments, six bool) (Op, bool) {
	if !slices.Contains([]string{"add", "prepend", "append", "replace", "del"}, verb) {
		return nil, false
	}
	op := RouteOp{Verb: verb, Destination: rest.prefix(destination, "default")}
	for rest.more() {
		switch key := rest.next(); key {
		case "via":
			op.Gateway = rest.gateway()
		case "dev":
			op.Dev = rest.next()
		case "src":
			op.Source = rest.addr(rest.next())
		case "table":
			op.Table = rest.table()
		case "metric":
			op.Metric = rest.number()
		case "mtu":
			op.MTULock = rest.skip("lock")
			op.MTU = rest.number()
		case "advmss":
			op.AdvMSS = rest.number()
		case "onlink":
			op.OnLink = true
		case "proto":
			op.Protocol = rest.protocol()
		case "nexthop":
			op.Hops = append(op.Hops, rest.hop())
		default:
			return nil, false
		}
	}
	whole := len(op.Hops) == 0 || op.Dev == "" && !op.Gateway.IsValid() && !op.OnLink
	told := op.Six()
	op.IPv6 = six && !told
	contrary := six && op.Destination.IsValid() && !told
	return op, whole && !rest.bad && !contrary
}

func parseRule(verb string, rest arguments, six bool) (Op, bool) {
	if verb != "add" && verb != "del" {
		return nil, false
	}
	op := RuleOp{Verb: verb}
	for rest.more() {
		switch key := rest.next(); key {
		case "from":
			op.From = rest.prefix(rest.next(), "all")
		case "table", "lookup":
			op.Table = rest.table()
		case "priority", "pref":
			op.Priority = rest.number()
		default:
			return nil, false
		}
	}
	return op, !rest.bad && six == op.From.Addr().Is6()
}

// arguments are the words of an ip command that are left; bad once one of them was
// not what its place asks for.
type arguments struct {
	words []string
	bad   bool
}

func (a *arguments) more() bool { return len(a.words) > 0 && !a.bad }

func (a *arguments) next() string {
	if len(a.words) == 0 {
		a.bad = true
		return ""
	}
	word := a.words[0]
	a.words = a.words[1:]
	return word
}

// skip passes over a word where it comes next, and tells whether it did.
func (a *arguments) skip(word string) bool {
	if len(a.words) == 0 || a.words[0] != word {
		return false
	}
	a.next()
	return true
}

func (a *arguments) number() uint32 {
	n, err := strconv.ParseUint(a.next(), 10, 32)
	a.bad = a.bad || err != nil
	return uint32(n)
}

func (a *arguments) table() uint32 {
	if len(a.words) > 0 && a.words[0] == "main" {
		a.next()
		return 0
	}
	return a.number()
}

// protocol reads a routing protocol; "boot" is what nothing stands for.
func (a *arguments) protocol() string {
	word := a.next()
	a.bad = a.bad || word == ""
	if word == "boot" {
		return ""
	}
	return word
}

func (a *arguments) addr(word string) netip.Addr {
	addr, err := netip.ParseAddr(word)
	a.bad = a.bad || err != nil || addr.Zone() != ""
	return addr
}

// gateway reads "ADDRESS", or "inet6 ADDRESS" for one of another family.
func (a *arguments) gateway() netip.Addr {
	word := a.next()
	if word == "inet6" {
		word = a.next()
	}
	return a.addr(word)
}

// prefix reads a prefix or a single address; the word none stands for no prefix.
func (a *arguments) prefix(word, none string) netip.Prefix {
	if word == none {
		return netip.Prefix{}
	}
	if !strings.Contains(word, "/") {
		addr := a.addr(word)
		return netip.PrefixFrom(addr, addr.BitLen())
	}
	prefix, err := netip.ParsePrefix(word)
	a.bad = a.bad || err != nil
	return prefix
}
