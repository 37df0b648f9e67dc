// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

// Rule is what a record says of its trap.
type Rule struct {
	// Name is for people, Description one sentence, Version counts changes of what
	// the rule finds.
	Name, Description, Version string
	// Folder is where the trap lives below internal/trap, its runbook with it.
	Folder string
}

// RuleOf describes a trap; it gives the zero Rule for one that it does not know.
func RuleOf(t Trap) Rule {
	switch t {
	case MTUBlackhole:
		return Rule{"MTU blackhole", "Small packets pass, large ones vanish, and no error comes back.", "1", "blackhole"}
	case PMTUDFailure:
		return Rule{"Path MTU discovery failure", "The ICMP error that should have lowered the packet size was lost or ignored.", "1", "pmtud"}
	case AsymmetricRouting:
		return Rule{"Asymmetric routing", "Packets come in by an interface where the kernel does not expect them, and are dropped.", "1", "asymmetric"}
	case DNSCaching:
		return Rule{"DNS caching", "What a name resolves to here is not what it resolves to now.", "1", "dnscache"}
	case TimeWaitExhaustion:
		return Rule{"Ephemeral port exhaustion", "No local port is left to call from, or soon none will be.", "1", "timewait"}
	default:
		return Rule{}
	}
}

// Reference is the address of the runbook's section about a cause, "" for the zero
// Rule.
func (r Rule) Reference(c Cause) string {
	if r.Folder == "" {
		return ""
	}
	return "https://github.com/trapbpf/trapbpf/blob/main/internal/trap/" + r.Folder + "/README.md#" + string(c)
}
