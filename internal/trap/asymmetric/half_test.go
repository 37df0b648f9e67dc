// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/trap/traptest"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

var (
	half1 = netip.MustParseAddrPort("10.20.0.2:40000")
	half2 = netip.MustParseAddrPort("10.30.0.2:443")
)

// again is a segment that a forwarding firewall dropped again, for the times-th time,
// as TCP would repeat it.
func again(from, to netip.AddrPort, flags uint8, since, at event.Time, times uint32) *event.Drop {
	return &event.Drop{
		Header: event.Header{Time: at, Netns: ns},
		Packet: event.Packet{Source: from, Destination: to, Protocol: event.ProtocolTCP, TCPFlags: flags},
		Reason: byFirewall, Ifindex: 2, Iface: "eth0", OutIfindex: eth1, OutIface: "eth1", EtherType: 0x0800,
		Conntrack: event.ConntrackNone, Times: times, Since: since, Count: uint64(times), Sampled: true,
	}
}

// wall is the firewall's own view of a pair: a chain of nftables that drops what is
// invalid, and its table.
func wall(at event.Time, from, to netip.Addr, rows ...event.Tracked) *event.Firewall {
	return &event.Firewall{
		Header: event.Header{Time: at, Netns: ns}, From: from, To: to, Loose: 1, Entries: 9, Invalid: 12, Tracked: rows,
		Guards: []event.Guard{{Family: "inet", Table: "filter", Chain: "forward", Hook: "forward", Invalid: true, Stateful: true}},
	}
}

func port(a netip.AddrPort, n uint16) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), a.Port()+n) }

const synAck = event.TCPSyn | event.TCPAck

// halfCase is what is dropped and known, and what is to be concluded.
type halfCase struct {
	events []event.Event
	want   finding.Status
}

// whereWall changes the firewall's view of the server's answers, or of the client's own
// segments, before it is told.
func whereWall(from, to netip.AddrPort, change func(*event.Firewall), rows ...event.Tracked) *event.Firewall {
	w := wall(2*second+1, from.Addr(), to.Addr(), rows...)
	change(w)
	return w
}

func guiltyHalves() map[string]halfCase {
	client, server := half1, half2
	syn := event.Tracked{Source: client, Destination: server, State: "SYN_SENT"}
	answers := again(server, client, synAck, second, 2*second, 2)
	other := again(server, port(client, 1), synAck, second, 2*second, 2)
	nothing := wall(2*second+1, server.Addr(), client.Addr())
	return map[string]halfCase{
		"opened, never answered, and goes on": {
			[]event.Event{again(client, server, event.TCPAck, second, 2*second, 2), wall(2*second+1, client.Addr(), server.Addr(), syn)}, finding.Confirmed,
		},
		"two answers to what never came by": {[]event.Event{answers, other, nothing}, finding.Confirmed},
		"one answer, as TCP repeats it": {
			[]event.Event{answers, nothing, again(server, client, synAck, second, 4*second, 3)}, finding.Confirmed,
		},
		"the table cannot be read whole": {
			[]event.Event{answers, other, whereWall(server, client, func(w *event.Firewall) { w.Unread = true })}, finding.Suspected,
		},
	}
}

func innocentHalves() map[string]halfCase {
	client, server, far := half1, half2, netip.MustParseAddrPort("9.9.9.9:443")
	syn := event.Tracked{Source: client, Destination: server, State: "SYN_SENT"}
	known := event.Tracked{Source: client, Destination: server, State: "ESTABLISHED", Replied: true}
	third := event.Tracked{Source: port(client, 9), Destination: server, Replied: true}
	goesOn := again(client, server, event.TCPAck, second, 2*second, 2)
	answers, other := again(server, client, synAck, second, 2*second, 2), again(server, port(client, 1), synAck, second, 2*second, 2)
	changed := func(change func(*event.Firewall)) halfCase {
		return halfCase{[]event.Event{goesOn, whereWall(client, server, change, syn)}, ""}
	}
	return map[string]halfCase{
		"known in both directions: out of window": {[]event.Event{goesOn, wall(2*second+1, client.Addr(), server.Addr(), known)}, ""},
		"another connection of the two is known":  {[]event.Event{answers, other, wall(2*second+1, server.Addr(), client.Addr(), third)}, ""},
		"one answer from the Internet": {
			[]event.Event{again(far, client, synAck, second, 4*second, 3), wall(4*second+1, far.Addr(), client.Addr())}, "",
		},
		"an answer to a port that no caller uses": {
			[]event.Event{again(server, netip.AddrPortFrom(client.Addr(), 80), synAck, second, 4*second, 3), wall(4*second+1, server.Addr(), client.Addr())}, "",
		},
		"faster than TCP repeats": {
			[]event.Event{again(server, client, synAck, second, 2*second, 50), wall(2*second+1, server.Addr(), client.Addr())}, "",
		},
		"seen once":                        {[]event.Event{again(client, server, event.TCPAck, 0, second, 0), wall(second+1, client.Addr(), server.Addr(), syn)}, ""},
		"nothing was ever invalid":         changed(func(w *event.Firewall) { w.Invalid = 0 }),
		"no chain asks for the state":      changed(func(w *event.Firewall) { w.Guards = nil }),
		"the chain is at another hook":     changed(func(w *event.Firewall) { w.Guards[0].Hook = "output" }),
		"the chain is of the other family": changed(func(w *event.Firewall) { w.Guards[0].Family = "ip6" }),
	}
}

func TestHalfConnectionsAreToldByTheFirewallsOwnTable(t *testing.T) {
	cases := guiltyHalves()
	for name, c := range innocentHalves() {
		cases[name] = c
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			desk := traptest.New(New())
			desk.Feed(c.events...)
			seen, _ := desk.Last(FirewallInvalid)
			if seen.Status != c.want {
				t.Fatalf("status %q, want %q: %v", seen.Status, c.want, desk.Sightings)
			}
			if c.want == "" {
				return
			}
			if f := desk.Describe(seen.Key); f.Ingress != "eth0" || len(f.Fix) == 0 || len(f.Evidence) == 0 || f.Confidence < 50 {
				t.Errorf("ingress %q, confidence %d, fixes %q", f.Ingress, f.Confidence, f.Fix)
			}
		})
	}
}

func TestMiddlesOfForgottenConnectionsAreSuspectedAtMost(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(
		again(half1, half2, event.TCPAck, second, 4*second, 3), again(port(half1, 1), half2, event.TCPAck, second, 4*second, 3),
		wall(4*second+1, half1.Addr(), half2.Addr()))
	if seen, _ := desk.Last(FirewallInvalid); seen.Status != finding.Suspected {
		t.Errorf("status %q", seen.Status)
	}
}

// The rule to let pass is written for the program that the chain belongs to.
func TestFixOfAHalfConnectionSpeaksTheFirewallsLanguage(t *testing.T) {
	six1, six2 := netip.MustParseAddrPort("[fd20::2]:40000"), netip.MustParseAddrPort("[fd30::2]:443")
	cases := map[string]struct {
		client, server netip.AddrPort
		guard          event.Guard
		out            string
		want           string
	}{
		"nftables": {half1, half2, event.Guard{Family: "inet", Table: "filter", Chain: "forward", Hook: "forward", Invalid: true}, "eth1",
			"nft 'insert rule inet filter forward "},
		"iptables": {half1, half2, event.Guard{Family: "ip", Table: "filter", Chain: "FORWARD", Hook: "forward", Invalid: true, IPTables: true}, "eth1",
			"iptables -t filter -I FORWARD -s 10.20.0.2 -d 10.30.0.2 -p tcp --dport 443 -j ACCEPT"},
		"ip6tables": {six1, six2, event.Guard{Family: "ip6", Table: "filter", Chain: "FORWARD", Hook: "forward", Invalid: true, IPTables: true}, "eth1",
			"ip6tables -t filter -I FORWARD -s fd20::2 -d fd30::2 -p tcp --dport 443 -j ACCEPT"},
		"the older iptables, at the end": {half1, half2, event.Guard{Family: "ip", Table: "filter", Invalid: true}, "lo",
			"iptables-legacy -t filter -I INPUT -s 10.20.0.2 -d 10.30.0.2 -p tcp --dport 443 -j ACCEPT"},
		"the older ip6tables": {six1, six2, event.Guard{Family: "ip6", Table: "filter", Invalid: true}, "eth1",
			"ip6tables-legacy -t filter -I FORWARD -s fd20::2 -d fd30::2 -p tcp --dport 443 -j ACCEPT"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			desk := traptest.New(New())
			d := again(c.client, c.server, event.TCPAck, second, 2*second, 2)
			d.OutIface = c.out
			known := wall(2*second+1, c.client.Addr(), c.server.Addr(), event.Tracked{Source: c.client, Destination: c.server, State: "SYN_SENT"})
			known.Guards = []event.Guard{c.guard}
			desk.Feed(d, known)
			seen, ok := desk.Last(FirewallInvalid)
			if !ok {
				t.Fatal("nothing was seen")
			}
			f := desk.Describe(seen.Key)
			if !slices.ContainsFunc(f.Fix, func(s finding.Step) bool { return strings.Contains(s.Shell(), c.want) }) {
				t.Errorf("no fix has %q: %q", c.want, f.Fix)
			}
		})
	}
}

func TestHalfConnectionsAreMendedByWhatIsTrackedThen(t *testing.T) {
	client, server := half1, half2
	syn := event.Tracked{Source: client, Destination: server, State: "SYN_SENT"}
	whole := event.Tracked{Source: port(client, 7), Destination: server, State: "ESTABLISHED", Replied: true}
	open := func() *traptest.Desk {
		desk := traptest.New(New())
		desk.Feed(again(client, server, event.TCPAck, second, 2*second, 2), wall(2*second+1, client.Addr(), server.Addr(), syn))
		return desk
	}
	desk := open()
	desk.Feed(wall(4*second, client.Addr(), server.Addr(), syn, whole), tick(4*second))
	if len(desk.Mended) != 0 {
		t.Errorf("mended after two seconds: %v", desk.Mended)
	}
	desk.Feed(tick(6 * second))
	if len(desk.Mended) != 1 {
		t.Error("not mended although both directions are tracked")
	}
	desk = open()
	desk.Feed(wall(6*second, client.Addr(), server.Addr(), syn), tick(6*second))
	if len(desk.Mended) != 0 {
		t.Errorf("mended although nothing changed: %v", desk.Mended)
	}
}
