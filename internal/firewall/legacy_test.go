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

// legacyFates are rules of the older iptables, in its own words.
var legacyFates = []struct {
	name, tool string
	rules      []string
	kind       Kind
	want       string
}{
	{"no rules", "iptables", []string{"-P INPUT ACCEPT"}, TooBig, "passes"},
	{"established alone", "iptables", []string{"-P INPUT DROP", "-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT"}, TooBig, "dropped by its policy"},
	{"established alone, data", "iptables", []string{"-P INPUT DROP", "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT"}, Data, "passes"},
	{"related by conntrack", "iptables", []string{"-P INPUT DROP", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"}, TooBig, "passes"},
	{"related by state", "iptables", []string{"-P INPUT DROP", "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT"}, TooBig, "passes"},
	{"type and code", "iptables", []string{"-A INPUT -p icmp --icmp-type fragmentation-needed -j DROP"}, TooBig, "dropped by rule 1"},
	{"type", "iptables", []string{"-A INPUT -p icmp --icmp-type echo-request -j ACCEPT", "-A INPUT -p icmp --icmp-type destination-unreachable -j REJECT"}, TooBig, "dropped by rule 2"},
	{"other type", "iptables", []string{"-A INPUT -p icmp --icmp-type echo-request -j DROP"}, TooBig, "passes"},
	{"any ICMP", "iptables", []string{"-A INPUT -p icmp -j DROP"}, TooBig, "dropped by rule 1"},
	{"any but TCP", "iptables", []string{"-A INPUT ! -p tcp -j DROP"}, TooBig, "dropped by rule 1"},
	{"user chain", "iptables", []string{"-N more", "-A more -p icmp -j DROP", "-A INPUT -j more"}, TooBig, "dropped by rule 1"},
	{"return of a user chain", "iptables", []string{"-N more", "-A more -m conntrack --ctstate RELATED -j RETURN", "-A more -p icmp -j DROP", "-A INPUT -j more"}, TooBig, "passes"},
	{"goto", "iptables", []string{"-N more", "-A more -p tcp -j ACCEPT", "-P INPUT DROP", "-A INPUT -g more", "-A INPUT -j ACCEPT"}, TooBig, "dropped by its policy"},
	{"by source", "iptables", []string{"-A INPUT -s 10.0.0.0/8 -p icmp -j DROP"}, TooBig, "depends"},
	{"by interface", "iptables", []string{"-A INPUT -i eth0 -p icmp -j DROP"}, TooBig, "depends"},
	{"not the loopback", "iptables", []string{"-A INPUT ! -i lo -p icmp -j DROP"}, TooBig, "dropped by rule 1"},
	{"rule without target", "iptables", []string{"-A INPUT -p icmp", "-A INPUT -p icmp -j DROP"}, TooBig, "dropped by rule 2"},
	{"invalid", "iptables", []string{"-A INPUT -m conntrack --ctstate INVALID -j DROP"}, OneSided, "dropped by rule 1"},
	{"IPv6 type", "ip6tables", []string{"-A INPUT -p ipv6-icmp --icmpv6-type packet-too-big -j DROP"}, TooBig, "dropped by rule 1"},
	{"IPv6 neighbours only", "ip6tables", []string{"-P INPUT DROP", "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", "-A INPUT -p ipv6-icmp --icmpv6-type neighbour-solicitation -j ACCEPT"}, TooBig, "dropped by its policy"},
}

func TestFatesUnderTheOlderIPTables(t *testing.T) {
	kerneltest.RequireRoot(t)
	for _, one := range legacyFates {
		t.Run(one.name, func(t *testing.T) {
			kerneltest.Namespace(t).Do(t, func() error {
				rules := "*filter\n" + policies(one.rules) + "COMMIT\n"
				command := exec.Command(one.tool + "-legacy-restore")
				command.Stdin = strings.NewReader(rules)
				if out, err := command.CombinedOutput(); err != nil {
					return fmt.Errorf("%s: %w: %s", rules, err, out)
				}
				v, err := Inspect()
				if err != nil {
					return err
				}
				if got := inWords(v.Through(one.kind, one.tool == "ip6tables", Input)); !strings.HasPrefix(got, one.want) {
					t.Errorf("it is %s, want %s", got, one.want)
				}
				return nil
			})
		})
	}
}

// policies writes -P and -N as iptables-restore has them, the rest after them.
func policies(rules []string) string {
	var heads, rest string
	for _, rule := range rules {
		words := strings.Fields(rule)
		switch words[0] {
		case "-P":
			heads += ":" + words[1] + " " + words[2] + "\n"
		case "-N":
			heads += ":" + words[1] + " -\n"
		default:
			rest += rule + "\n"
		}
	}
	return heads + rest
}

func TestGarbledTablesAreNoRules(t *testing.T) {
	for _, f := range legacyFamilies() {
		for size := range 400 {
			blob := make([]byte, size)
			for i := range blob {
				blob[i] = byte(i * 37)
			}
			table := &legacyTable{family: f, blob: blob}
			rules, err := legacyChain{table, 0, size}.chain("INPUT")
			if err != nil {
				t.Fatal(err)
			}
			p := newPacket(TooBig, f.name == "ip6")
			for _, r := range rules {
				r.judge(&p)
				r.marks()
			}
		}
	}
}
