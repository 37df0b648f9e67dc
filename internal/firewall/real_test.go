// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// fates are what the kernel's own copy of some rules does, as this package reads it.
var fates = []struct {
	name, rules string
	hook        Hook
	kind        Kind
	six         bool
	want        string
}{
	{"no rules", "", Input, TooBig, false, "passes"},
	{"policy drop, established alone", input("drop", "iif lo accept", "ct state established accept"), Input, TooBig, false, "dropped by its policy"},
	{"policy drop, established alone, data", input("drop", "iif lo accept", "ct state established accept"), Input, Data, false, "passes"},
	{"related accepted", input("drop", "ct state established,related accept"), Input, TooBig, false, "passes"},
	{"verdict map", input("drop", "ct state vmap { established : accept, related : accept, invalid : drop }"), Input, TooBig, false, "passes"},
	{"verdict map, one-sided", input("accept", "ct state vmap { established : accept, related : accept, invalid : drop }"), Input, OneSided, false, "dropped by the rule"},
	{"accept before drop", input("accept", "ct state established,related accept", "meta l4proto icmp drop"), Input, TooBig, false, "passes"},
	{"drop before accept", input("accept", "icmp type destination-unreachable drop", "ct state related accept"), Input, TooBig, false, "dropped by the rule"},
	{"another ICMP type", input("accept", "icmp type echo-request drop"), Input, TooBig, false, "passes"},
	{"set of types", input("accept", "icmp type { time-exceeded, destination-unreachable } drop"), Input, TooBig, false, "dropped by the rule"},
	{"interval of types", input("accept", "icmp type 2-5 drop"), Input, TooBig, false, "dropped by the rule"},
	{"interval beside", input("accept", "icmp type { 0-2, 4-9 } drop"), Input, TooBig, false, "passes"},
	{"code", input("accept", "icmp code frag-needed drop"), Input, TooBig, false, "dropped by the rule"},
	{"other code", input("accept", "icmp type destination-unreachable icmp code port-unreachable drop"), Input, TooBig, false, "passes"},
	{"negated type", input("accept", "icmp type != echo-request drop"), Input, TooBig, false, "dropped by the rule"},
	{"by source address", input("accept", "ip saddr 10.0.0.0/8 icmp type destination-unreachable drop"), Input, TooBig, false, "depends"},
	{"unless from a net", input("accept", "ip saddr 10.0.0.0/8 accept", "meta l4proto icmp drop"), Input, TooBig, false, "depends"},
	{"loopback alone", input("accept", "iifname lo accept", "meta l4proto icmp drop"), Input, TooBig, false, "dropped by the rule"},
	{"rate limit", input("drop", "icmp type destination-unreachable limit rate 5/second accept"), Input, TooBig, false, "passes"},
	{"interface map", input("drop", "iifname vmap { lo : accept, eth0 : jump more }") + chain("more", "ct state related accept"), Input, TooBig, false, "depends"},
	{"reject", input("accept", "meta l4proto { icmp, ipv6-icmp } reject"), Input, TooBig, true, "dropped by the rule"},
	{"chain", input("accept", "jump more") + chain("more", "ip protocol icmp drop"), Input, TooBig, false, "dropped by the rule"},
	{"return from a chain", input("accept", "jump more") + chain("more", "ct state related return", "meta l4proto icmp drop"), Input, TooBig, false, "passes"},
	{"goto", input("drop", "goto more", "accept") + chain("more", "tcp dport 22 accept"), Input, TooBig, false, "dropped by its policy"},
	{"IPv6 type", input("accept", "icmpv6 type packet-too-big drop"), Input, TooBig, true, "dropped by the rule"},
	{"IPv6 neighbours only", input("drop", "ct state established accept", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"), Input, TooBig, true, "dropped by its policy"},
	{"IPv6 rule, IPv4 error", input("accept", "icmpv6 type packet-too-big drop"), Input, TooBig, false, "passes"},
	{"other hook", input("drop"), Forward, TooBig, false, "passes"},
	{"mark", input("accept", "meta mark & 0x8000 == 0x8000 drop"), Input, TooBig, false, "depends"},
	{"invalid", input("accept", "ct state invalid drop"), Input, OneSided, false, "dropped by the rule"},
	{"invalid, error", input("accept", "ct state invalid drop"), Input, TooBig, false, "passes"},
	{"reverse path", input("accept", "fib saddr . iif oif missing drop"), Input, TooBig, false, "depends"},
}

func input(policy string, rules ...string) string {
	return "table inet f {\n chain in { type filter hook input priority 0; policy " + policy + "\n" + strings.Join(rules, "\n") + "\n}\n}\n"
}

func chain(name string, rules ...string) string {
	return "table inet f {\n chain " + name + " {\n" + strings.Join(rules, "\n") + "\n}\n}\n"
}

func TestFatesOfPackets(t *testing.T) {
	kerneltest.RequireRoot(t)
	ns := kerneltest.Namespace(t)
	for _, one := range fates {
		t.Run(one.name, func(t *testing.T) {
			ns.Do(t, func() error {
				// Chains that are jumped to must be there before.
				tables := strings.SplitAfter(one.rules, "\n}\n}\n")
				for i := len(tables) - 1; i >= 0; i-- {
					if err := load(tables[i], i == len(tables)-1); err != nil {
						return err
					}
				}
				v, err := Inspect()
				if err != nil {
					return err
				}
				if got := inWords(v.Through(one.kind, one.six, one.hook)); !strings.HasPrefix(got, one.want) {
					t.Errorf("it is %s, want %s", got, one.want)
				}
				return nil
			})
		})
	}
}

// load has nft read rules, after a flush where these are the first.
func load(rules string, first bool) error {
	if first {
		rules = "flush ruleset\n" + rules
	}
	command := exec.Command("nft", "-f", "-")
	command.Stdin = strings.NewReader(rules)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}

func inWords(f Fate) string {
	switch {
	case f.Certain():
		return "dropped by " + f.At.Rule
	case f.Drops:
		return "depends"
	default:
		return "passes"
	}
}

func TestRpfilterRulesAreToldFromLooseOnes(t *testing.T) {
	kerneltest.RequireRoot(t)
	for _, program := range []string{"ip6tables-nft", "ip6tables-legacy"} {
		for rule, want := range map[string]int{"--invert": 1, "--loose --invert": 0, "--validmark --invert": 1} {
			ns := kerneltest.Namespace(t)
			ns.Run(t, program, strings.Fields("-t raw -A PREROUTING -m rpfilter "+rule+" -j DROP")...)
			ns.Do(t, func() error {
				v, err := Inspect()
				if err == nil && (len(v.Reverse(true)) != want || len(v.Reverse(false)) != 0) {
					t.Errorf("%s %s: %+v, of IPv4 %+v", program, rule, v.Reverse(true), v.Reverse(false))
				}
				return err
			})
		}
	}
}

func TestClampsAndReverseChecksAreSeen(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.Namespace(t).Do(t, func() error {
		err := load("table inet f {\n chain c { type filter hook forward priority mangle\n tcp flags syn tcp option maxseg size set rt mtu\n}\n"+
			" chain r { type filter hook prerouting priority raw\n meta nfproto ipv6 fib saddr . iif oif missing drop\n}\n"+
			" chain loose { type filter hook prerouting priority 1\n fib saddr oif missing drop\n}\n"+
			" chain logged { type filter hook prerouting priority 2\n fib saddr . iif oif missing log\n}\n}\n", true)
		if err != nil {
			return err
		}
		v, err := Inspect()
		if err != nil {
			return err
		}
		four, six := v.Reverse(false), v.Reverse(true)
		if len(v.Clamps) != 1 || v.Clamps[0].Chain != "c" || len(four) != 0 || len(six) != 1 || six[0].Chain != "r" || !strings.Contains(six[0].Rule, "handle") {
			t.Errorf("clamps %+v, reverse checks %+v, of IPv6 %+v", v.Clamps, four, six)
		}
		return nil
	})
}
