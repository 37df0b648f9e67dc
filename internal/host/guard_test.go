// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// guardsOf gives what guards reads of a ruleset in nft's language.
func guardsOf(t *testing.T, ns *kerneltest.Netns, ruleset string) []event.Guard {
	t.Helper()
	ns.Run(t, "nft", "flush ruleset; "+ruleset)
	var found []event.Guard
	ns.Do(t, func() (err error) {
		found, err = guards()
		return err
	})
	return found
}

func TestGuardsAreFoundHoweverTheyAreWritten(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	forward := event.Guard{Family: "inet", Table: "f", Chain: "forward", Hook: "forward"}
	invalid, policy, reverse := forward, forward, event.Guard{Family: "inet", Table: "f", Chain: "pre", Hook: "prerouting", Priority: -300, ReversePath: true}
	invalid.Invalid, invalid.Stateful = true, true
	policy.Policy, policy.Stateful = true, true
	const chain = "table inet f { chain forward { type filter hook forward priority 0; "
	const pre = "table inet f { chain pre { type filter hook prerouting priority raw; "
	for name, c := range map[string]struct {
		ruleset string
		want    []event.Guard
	}{
		"state":            {chain + "ct state invalid drop; }; }", []event.Guard{invalid}},
		"states":           {chain + "ct state { invalid, untracked } counter drop; }; }", []event.Guard{invalid}},
		"mask":             {chain + "ct state invalid,new log drop; }; }", []event.Guard{invalid}},
		"not others":       {chain + "ct state != established,related,new drop; }; }", []event.Guard{invalid}},
		"reject":           {chain + "ct state invalid reject with tcp reset; }; }", []event.Guard{invalid}},
		"map":              {chain + "ct state vmap { established : accept, invalid : drop }; }; }", []event.Guard{invalid}},
		"map to a chain":   {"table inet f { chain bad { counter drop; }; chain forward { type filter hook forward priority 0; ct state vmap { invalid : jump bad, new : accept }; }; }", []event.Guard{invalid}},
		"by another chain": {"table inet f { chain state { ct state invalid drop; }; chain forward { type filter hook forward priority 0; jump state; }; }", []event.Guard{invalid}},
		"to another chain": {"table inet f { chain bad { log; drop; }; chain forward { type filter hook forward priority 0; ct state invalid jump bad; }; }", []event.Guard{invalid}},
		"policy":           {chain + "policy drop; ct state established,related accept; }; }", []event.Guard{policy}},
		"way back":         {pre + "fib saddr . iif oif missing drop; }; }", []event.Guard{reverse}},
		"way back of mark": {pre + "fib saddr . mark . iif oif missing drop; }; }", []event.Guard{reverse}},
		"stateless":        {chain + "policy drop; tcp dport 80 accept; }; }", nil},
		"established":      {chain + "ct state established,related accept; tcp dport 80 drop; }; }", nil},
		"any route":        {pre + "fib saddr oif missing drop; }; }", nil},
		"address type":     {pre + "fib saddr type local drop; }; }", nil},
		"nothing":          {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, guardsOf(t, ns, c.ruleset)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestTrackedConnectionsAreThoseOfThePair(t *testing.T) {
	kerneltest.RequireRoot(t)
	ns := kerneltest.Namespace(t)
	ns.Run(t, "ip", "link", "set", "lo", "up")
	ns.Run(t, "nft", "table inet f { chain in { type filter hook input priority 0; ct state invalid drop; }; }")
	ns.Run(t, "ip", "addr", "add", "fd00::2/128", "dev", "lo")
	for here, other := range map[string]string{"127.0.0.1": "127.0.0.2", "::1": "fd00::2"} {
		ns.Do(t, func() error { return trackedBetween(t, netip.MustParseAddr(here), netip.MustParseAddr(other)) })
	}
}

// trackedBetween connects to an address, and dials another at which nobody answers.
func trackedBetween(t *testing.T, here, other netip.Addr) error {
	listener, err := net.Listen("tcp", netip.AddrPortFrom(here, 0).String())
	if err != nil {
		return err
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	rows, whole, err := tracked(here, here)
	if err != nil || !whole || len(rows) != 1 {
		return fmt.Errorf("%s: rows %+v, whole %v, %w", here, rows, whole, err)
	}
	if r := rows[0]; !r.Replied || r.State != "ESTABLISHED" || r.Destination.String() != listener.Addr().String() {
		t.Errorf("row %+v", r)
	}
	if rows, _, err := tracked(here, other); err != nil || len(rows) != 0 {
		t.Errorf("another pair has %+v, %v", rows, err)
	}
	_, err = invalids()
	return err
}
