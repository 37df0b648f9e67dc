// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/firewall"
	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// judged runs every check over an invented namespace.
func judged(s *scene) []Result {
	var all []Result
	for _, c := range checks() {
		all = append(all, c.results(s)...)
	}
	return all
}

// plain is a namespace in which nothing is wrong.
func plain() *scene {
	return &scene{Survey: &host.Survey{Settings: host.Settings{
		MinPMTU: 552, PortLow: 32768, PortHigh: 60999, TWReuse: 2, Timestamps: 1, MaxTWBuckets: 8192,
	}}}
}

func TestPlainNamespaceHasNoTrouble(t *testing.T) { expect(t, judged(plain())) }

func TestCrowdedDestinations(t *testing.T) {
	row := func(timeWait, live uint32) *scene {
		s := plain()
		s.Settings.PortHigh = s.Settings.PortLow + 999
		s.Sockets.Rows = []host.SocketRow{{Source: netip.MustParseAddr("10.0.0.1"), Destination: netip.MustParseAddrPort("10.0.0.2:443"), TimeWait: timeWait, Live: live}}
		return s
	}
	expect(t, judged(row(700, 99)))
	expect(t, judged(row(700, 100)), "risk ephemeral-ports-running-out 10.0.0.2:443")
	expect(t, judged(row(970, 10)), "fault ephemeral-ports-exhausted 10.0.0.2:443")
	expect(t, judged(row(10, 985)), "fault ports-held-by-live-connections 10.0.0.2:443")
}

func TestPortSettings(t *testing.T) {
	s := plain()
	s.Settings.TWReuse, s.Settings.Timestamps = 1, 0
	expect(t, judged(s), "risk ephemeral-ports-exhausted net.ipv4.tcp_timestamps")
	s = plain()
	s.Settings.PortLow, s.Settings.Reserved = 1024, "9000-9100"
	s.Sockets.Listening = []uint16{22, 8080, 9050, 40000}
	expect(t, judged(s), "risk ephemeral-ports-exhausted net.ipv4.ip_local_reserved_ports")
	s.Settings.Reserved = "8080,9000-9100"
	expect(t, judged(s))
	s = plain()
	s.Settings.MaxTWBuckets = 50
	expect(t, judged(s), "risk time-wait-bucket-overflow net.ipv4.tcp_max_tw_buckets")
	s.Sockets.TimeWait = 50
	expect(t, judged(s), "fault time-wait-bucket-overflow net.ipv4.tcp_max_tw_buckets")
}

func TestResolvers(t *testing.T) {
	first, second := netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("10.0.1.53")
	conf := &event.Resolver{Path: "/etc/resolv.conf", Ndots: 1, Timeout: 5, Nameservers: []netip.Addr{first, second}}
	good := func(server netip.Addr) reply { return reply{server: server, answered: true, took: time.Millisecond} }
	s := plain()
	s.naming = naming{conf: conf, replies: []reply{good(first), good(second)}}
	expect(t, judged(s))
	s.naming.replies[1] = reply{server: second, err: "i/o timeout"}
	expect(t, judged(s), "risk resolver-unanswered 10.0.1.53")
	s.naming.replies = []reply{{server: first, err: "i/o timeout"}, good(second)}
	expect(t, judged(s), "fault resolver-unanswered 10.0.0.53")
	s.naming.shared = true
	expect(t, judged(s))
	s = plain()
	pod := *conf
	pod.Ndots, pod.Search = 5, []string{"ns.svc.cluster.local", "svc.cluster.local", "cluster.local"}
	s.naming = naming{conf: &pod}
	expect(t, judged(s), "risk ndots-expansion /etc/resolv.conf")
}

func TestAnswersAboutAName(t *testing.T) {
	first, second := netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("10.0.1.53")
	says := func(server netip.Addr, ttl uint32, addrs ...string) reply {
		r := reply{server: server, answered: true, ttl: ttl}
		for _, text := range addrs {
			r.addrs = append(r.addrs, netip.MustParseAddr(text))
		}
		return r
	}
	ask := func(replies ...reply) *scene {
		s := plain()
		s.naming = naming{conf: &event.Resolver{Path: "/etc/resolv.conf", Ndots: 1}, name: "www.example.org", replies: replies}
		return s
	}
	expect(t, judged(ask(says(first, 300, "192.0.2.1", "192.0.2.2"), says(second, 60, "192.0.2.2"))))
	expect(t, judged(ask(says(first, 300, "192.0.2.1"), says(second, 60, "192.0.2.2"))), "risk resolvers-disagree www.example.org")
	expect(t, judged(ask(says(first, 86400, "192.0.2.1"))), "risk ttl-too-long www.example.org")
	none := reply{server: second, answered: true, code: dnsmessage.RCodeNameError}
	expect(t, judged(ask(says(first, 300, "192.0.2.1"), none)), "risk negative-cached www.example.org")
}

// Rules that could not be read are no proof that nothing is dropped.
func TestUnreadableFirewallIsNotCalledFine(t *testing.T) {
	s := plain()
	s.rules, s.partial = &firewall.View{}, true
	for _, r := range judged(s) {
		if r.Cause == icmpDroppedInbound || r.Cause == icmpDroppedOut || r.Cause == firewallInvalid {
			t.Errorf("it says %s: %s", r.Level, r.Message)
		}
	}
}
