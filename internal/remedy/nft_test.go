// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// firewall is a ruleset with a chain of each family to let ICMP into.
const firewall = `
add table inet f; add chain inet f in { type filter hook input priority 0; policy drop; }; add rule inet f in meta l4proto icmp drop
add table ip f; add chain ip f in { type filter hook input priority 0; }; add rule ip f in counter drop
add table ip6 f; add chain ip6 f in { type filter hook input priority 0; }; add rule ip6 f in meta l4proto ipv6-icmp drop
`

func ruleset(t *testing.T, ns *kerneltest.Netns) string {
	t.Helper()
	var text string
	ns.Do(t, func() error {
		out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
		text = string(out)
		return err
	})
	return text
}

func guarded(t *testing.T) *kerneltest.Netns {
	t.Helper()
	ns := kerneltest.Namespace(t)
	for line := range strings.Lines(strings.TrimSpace(firewall)) {
		ns.Run(t, "nft", strings.TrimSpace(line))
	}
	return ns
}

func pass(family, source, destination string, answers bool) finding.NftOp {
	return trap.LetPass(event.Guard{Family: family, Table: "f", Chain: "in"}, trap.Pass{
		Source: netip.MustParseAddr(source), Destination: netip.MustParseAddr(destination), Port: 443, Answers: answers,
	})
}

func TestNativeRulesAreThoseThatNftMakes(t *testing.T) {
	kerneltest.Exclusive(t)
	chain := func(family string) event.Filter { return event.Filter{Family: family, Table: "f", Chain: "in"} }
	for _, op := range []finding.NftOp{
		trap.LetIn(chain("inet"), false), trap.LetIn(chain("inet"), true),
		trap.LetIn(chain("ip"), false), trap.LetIn(chain("ip6"), true), trap.Clamp(),
		pass("inet", "192.0.2.1", "192.0.2.2", true), pass("inet", "2001:db8::1", "2001:db8::2", false),
		pass("ip", "192.0.2.1", "192.0.2.2", false), pass("ip6", "2001:db8::1", "2001:db8::2", true),
	} {
		native, pasted := guarded(t), guarded(t)
		if err := Apply(context.Background(), finding.Step{Op: op, Enter: finding.Enter{Name: native.Name}}); err != nil {
			t.Errorf("%s: %v", op.Command, err)
			continue
		}
		paste(t, finding.Step{Op: op, Enter: finding.Enter{Name: pasted.Name}})
		if a, b := ruleset(t, native), ruleset(t, pasted); a != b {
			t.Errorf("%s: natively\n%s\nby nft\n%s", op.Command, a, b)
		}
	}
}

func TestUndoOfANativeRuleBringsTheRulesetBack(t *testing.T) {
	kerneltest.Exclusive(t)
	for _, op := range []finding.NftOp{trap.LetIn(event.Filter{Family: "inet", Table: "f", Chain: "in"}, true), trap.Clamp(), pass("inet", "192.0.2.1", "192.0.2.2", true)} {
		ns := guarded(t)
		before := ruleset(t, ns)
		step := finding.Step{Op: op, Enter: finding.Enter{Name: ns.Name}}
		undo, err := Current(context.Background(), step)
		if err != nil {
			t.Fatal(err)
		}
		if err := Apply(context.Background(), step); err != nil {
			t.Fatal(err)
		}
		if ruleset(t, ns) == before {
			t.Errorf("%s changed nothing", op.Command)
		}
		paste(t, undo)
		if after := ruleset(t, ns); after != before {
			t.Errorf("%s, then %s: \n%s\ninstead of\n%s", op.Command, undo.Shell(), after, before)
		}
	}
}

func TestOtherNftCommandsAreForNft(t *testing.T) {
	for _, command := range []string{
		"insert rule inet f in accept", "insert rule bridge f in icmp type destination-unreachable icmp code frag-needed accept comment trapbpf",
		"delete table inet other", trap.Clamp().Command + "; flush ruleset",
	} {
		var refused *NotNativeError
		if err := Apply(context.Background(), finding.Step{Op: finding.NftOp{Command: command}}); !errors.As(err, &refused) {
			t.Errorf("%s: %v", command, err)
		}
	}
}

func TestMissingChainIsNamed(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	step := finding.Step{Op: trap.LetIn(event.Filter{Family: "ip", Table: "f", Chain: "in"}, false), Enter: finding.Enter{Name: ns.Name}}
	if err := Apply(context.Background(), step); err == nil || !strings.Contains(err.Error(), "ip f in") {
		t.Errorf("got %v", err)
	}
}
