// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"net/netip"
	"slices"
)

// Firewall is what a namespace's packet filter is made of as far as it drops packets
// for what is known of their connection or of their way back, and what connection
// tracking knows of TCP between two addresses: the answer to a Want of KindFirewall.
type Firewall struct {
	Header
	// From and To are the question's addresses.
	From netip.Addr `json:"from"`
	To   netip.Addr `json:"to"`
	// Guards are the base chains that may drop such packets; Blind says why they, or
	// some of them, could not be read.
	Guards []Guard `json:"guards,omitempty"`
	Blind  string  `json:"blind,omitempty"`
	// Loose is nf_conntrack_tcp_loose, Liberal nf_conntrack_tcp_be_liberal, Entries
	// nf_conntrack_count; zero where the namespace has none of them.
	Loose   int    `json:"loose"`
	Liberal int    `json:"liberal"`
	Entries uint64 `json:"entries"`
	// Invalid counts the packets that connection tracking has called invalid since
	// the namespace was made.
	Invalid uint64 `json:"invalid"`
	// Tracked are TCP connections between the two addresses, either of which may have
	// opened them. Unread is true where the table could not be read, or not whole.
	Tracked []Tracked `json:"tracked,omitempty"`
	Unread  bool      `json:"unread,omitempty"`
}

// KindFirewall is Firewall's kind.
const KindFirewall Kind = "firewall"

// Kind implements Event.
func (*Firewall) Kind() Kind { return KindFirewall }

// TrackedRows and GuardRows bound Firewall.Tracked and Firewall.Guards.
const (
	TrackedRows = 256
	GuardRows   = 32
)

// Guard is a base chain of nftables or iptables, with the chains that it jumps to.
type Guard struct {
	// Family is "inet", "ip", "ip6" or "bridge".
	Family string `json:"family"`
	Table  string `json:"table"`
	Chain  string `json:"chain"`
	// Hook is "prerouting", "input", "forward", "output" or "postrouting"; "" for a
	// table of the older iptables, which is not taken apart.
	Hook     string `json:"hook,omitempty"`
	Priority int32  `json:"priority,omitempty"`
	// Policy tells that it drops what no rule accepts, Invalid that a rule drops
	// packets of state invalid, ReversePath that a rule drops packets that came in by
	// another interface than leads back to their source.
	Policy      bool `json:"policy,omitempty"`
	Invalid     bool `json:"invalid,omitempty"`
	ReversePath bool `json:"reverse_path,omitempty"`
	// Stateful tells that it asks connection tracking at all.
	Stateful bool `json:"stateful,omitempty"`
	// IPTables tells that iptables wrote it, and should be used to change it.
	IPTables bool `json:"iptables,omitempty"`
}

// Sees tells whether packets of a family pass the chain at one of the hooks. A table
// of the older iptables, which is not taken apart, may have chains at any.
func (g Guard) Sees(six bool, hooks ...string) bool {
	if g.Family == "ip" && six || g.Family == "ip6" && !six {
		return false
	}
	return g.Hook == "" || slices.Contains(hooks, g.Hook)
}

// Tracked is an entry of the connection tracking table.
type Tracked struct {
	// Source opened the connection, as the entry has it.
	Source      netip.AddrPort `json:"source"`
	Destination netip.AddrPort `json:"destination"`
	// State is the kernel's name: SYN_SENT, ESTABLISHED.
	State string `json:"state,omitempty"`
	// Replied tells that packets were seen in both directions.
	Replied bool `json:"replied"`
	// Zone is the conntrack zone, 0 where none was set.
	Zone uint16 `json:"zone,omitempty"`
}
