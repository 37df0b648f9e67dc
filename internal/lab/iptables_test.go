// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// ruleset is what one of the iptables programs is told, a line each, in a namespace.
type ruleset struct {
	program string // "iptables", "iptables-legacy", ...
	role    string
	lines   string
	six     bool
	cause   finding.Cause
	// fix is what the finding must offer, as far as it is of that program.
	fix string
}

const (
	dropForwarded = "-A FORWARD -m conntrack --ctstate INVALID -j DROP"
	// dropStrayed is what rp_filter does, as a rule: for IPv6 there is no other.
	dropStrayed  = "-t raw -A PREROUTING -m rpfilter --invert -j DROP"
	dropReceived = "-t raw -A OUTPUT -o up1 -j CT --notrack\n-A INPUT -m conntrack --ctstate INVALID -j DROP"
)

func rulesets() []ruleset {
	const half, strayed = finding.Cause("stateful-firewall-invalid"), rpFilterStrict
	var all []ruleset
	for _, program := range []string{"iptables-nft", "iptables-legacy"} {
		told := strings.TrimSuffix(program, "-nft")
		all = append(all,
			ruleset{program, "r1", dropForwarded, false, half, told + " -t filter -I FORWARD -s 10.66.1.2 -d 10.66.9.1 -p tcp --dport 8080 -j ACCEPT"},
			ruleset{"ip6" + program[2:], "r1", dropForwarded, true, half, "ip6" + told[2:] + " -t filter -I FORWARD -s fd66:1::2 -d fd66:9::1 -p tcp --dport 8080 -j ACCEPT"},
			ruleset{program, "client", dropReceived, false, half, told + " -t filter -I INPUT -s 10.66.9.1 -d 10.66.1.2 -p tcp --sport 8080 -j ACCEPT"},
			ruleset{program, "client", dropStrayed, false, strayed, "ip route replace 10.66.9.1/32 via 10.66.2.1 dev up2"},
			ruleset{"ip6" + program[2:], "client", dropStrayed, true, strayed, "ip -6 route replace fd66:9::1/128 via fd66:2::1 dev up2"},
		)
	}
	return all
}

// scenario is the ruleset on a fork whose answers come back by the other router, or by
// the same.
func (r ruleset) scenario(asymmetric bool) Scenario {
	s := Scenario{
		Name: r.like(), Views: []string{r.role}, budget: halfBudget, Trap: finding.AsymmetricRouting, Cause: r.cause,
		build: func(n *network) stage { return r.stage(n, asymmetric) },
	}
	if !asymmetric {
		s.Trap, s.Cause, s.budget, s.TwinOf = "", "", 0, s.Name
		s.Risk = r.cause // such a rule beside two uplinks is one
	}
	return s
}

// like names the scenario of the lab that has the same rule by nftables, and so what an
// audit can see of it.
func (r ruleset) like() string {
	switch {
	case r.cause == rpFilterStrict:
		return "firewall-rpfilter"
	case r.role == "client":
		return "firewall-end"
	default:
		return "firewall-half"
	}
}

func (r ruleset) stage(n *network, asymmetric bool) stage {
	f := buildFork(n, r.six)
	if r.cause == rpFilterStrict {
		f.ruled(n) // ip6t_rpfilter lets pass what any route of its table leads back, whatever its rank
	} else {
		f.ranked(n)
	}
	at := n.find(r.role)
	for line := range strings.Lines(r.lines) {
		if !asymmetric && strings.HasPrefix(line, "-t raw") {
			continue // without it both directions are tracked
		}
		n.fail(r.run(at, strings.Fields(line)...))
	}
	traffic := together(f.serves(n, f.peers[:1]), f.often())
	if !asymmetric {
		return stage{traffic: traffic, proof: func(reading reading) error { return atLeast("answers", reading.OK, 20) }}
	}
	f.returns(n)
	return stage{
		traffic: together(traffic, lost),
		proof:   func(reading) error { return nil },
		heals:   true,
		// A rule of iptables is for a person to add: done here as the finding says.
		obey: func() {
			if name, rest, ok := strings.Cut(r.fix, " "); ok && strings.Contains(name, "tables") {
				n.fail(ruleset{program: name}.run(at, strings.Fields(rest)...))
			}
		},
		judge: func(_ reading, s *Result) []string {
			if n.err != nil {
				return []string{n.err.Error()}
			}
			for _, fix := range s.first.Trapbpf.Fix {
				if strings.HasSuffix(fix, r.fix) {
					return nil
				}
			}
			return []string{fmt.Sprintf("no fix is %q: %q", r.fix, s.first.Trapbpf.Fix)}
		},
	}
}

// run has the program run in a namespace.
func (r ruleset) run(s *space, args ...string) error {
	return s.do(func() error {
		if out, err := exec.Command(r.program, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("run %s %q: %w: %s", r.program, args, err, out)
		}
		return nil
	})
}

// TestRulesOfIptablesAreToldApart has both generations of iptables drop halves of
// connections, forwarding and at an end; and see nothing amiss where the paths are
// symmetric.
func TestRulesOfIptablesAreToldApart(t *testing.T) {
	kerneltest.Exclusive(t)
	binary := buildAgent(t)
	for _, r := range rulesets() {
		name := r.program + " " + r.role + " " + string(r.cause)
		t.Run(name, func(t *testing.T) { playScenario(t, binary, r.scenario(true)) })
	}
	t.Run("twins", func(t *testing.T) {
		for _, r := range rulesets() {
			t.Run(r.program+" "+r.role+" "+string(r.cause), func(t *testing.T) {
				t.Parallel()
				playScenario(t, binary, r.scenario(false))
			})
		}
	})
}
