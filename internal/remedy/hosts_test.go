// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/engine"
	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/trap/all"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
	"github.com/trapbpf/trapbpf/pkg/trace"
)

// fixable is a host on which a recorded fault happens again: what the kernel told of the
// packets is the recording's, what it says of the host is this host's.
type fixable struct {
	name, recording string
	// setup are lines of ip(8), of nft(8) after "nft", and sysctls after "sysctl".
	setup string
	// says are parts of lines that the fix must have, never of those it must not.
	says, never []string
	// native is how many steps of the fix need no shell.
	native int
}

const (
	// The recording knows the devices by their indexes.
	uplinks = `link add c-r1 index 2 type veth peer name r1 index 12
link add c-r2 index 3 type veth peer name r2 index 13
addr add 10.109.250.41/24 dev c-r1
addr add 10.109.249.200/24 dev c-r2
link set c-r1 addrgenmode none up
link set c-r2 addrgenmode none up
link set r1 addrgenmode none up
link set r2 addrgenmode none up
route add default via 10.109.250.43 dev c-r1 metric 100
route add default via 10.109.249.203 dev c-r2 metric 200
`
	sender = `link add eth0 type veth peer name r0
addr add 10.93.73.251/24 dev eth0
link set eth0 addrgenmode none up
link set r0 addrgenmode none up
`
	sender6 = `link add eth0 type veth peer name r0
addr add fd61:f1d3:f4f1:73ae:8be6:c13e:66b:91b5/64 dev eth0 nodad
link set eth0 addrgenmode none up
link set r0 addrgenmode none up
-6 route add default via fd61:f1d3:f4f1:73ae:8be6:c13e:66b:91b4 dev eth0
`
	twoUplinks = `link add up1 type veth peer name r1
link add up2 type veth peer name r2
addr add 10.183.112.102/24 dev up1
addr add 10.183.115.136/24 dev up2
addr add 10.125.95.29/24 dev up1
addr add 10.125.92.243/24 dev up2
link set up1 addrgenmode none up
link set up2 addrgenmode none up
link set r1 addrgenmode none up
link set r2 addrgenmode none up
`
	walled = `link add eth0 type veth peer name r0
addr add 10.26.230.59/24 dev eth0
link set eth0 addrgenmode none up
link set r0 addrgenmode none up
route add default via 10.26.230.56 dev eth0
`
)

func fixables() []fixable {
	asymmetric, blackhole, pmtud, timewait := "../trap/asymmetric/testdata/", "../trap/blackhole/testdata/", "../trap/pmtud/testdata/", "../trap/timewait/testdata/"
	return []fixable{
		// The effective rp_filter is max(all, interface): only the interface's own, set to 2,
		// loosens it whatever "all" is, and tightens no other. "all" is never touched.
		{"strict by the interface", asymmetric + "rp-filter-fault.jsonl", uplinks + "sysctl ipv4/conf/c-r2/rp_filter 1",
			[]string{"conf.c-r2.rp_filter=2", "rule add from 10.109.250.41/32"}, []string{"conf.all", "conf.default"}, 3},
		{"strict by all alone", asymmetric + "rp-filter-fault.jsonl", uplinks + "sysctl ipv4/conf/all/rp_filter 1",
			[]string{"conf.c-r2.rp_filter=2"}, []string{"conf.all"}, 3},
		{"strict by both, one gateway", asymmetric + "rp-filter-fault.jsonl",
			strings.ReplaceAll(uplinks, "route add default via 10.109.249.203 dev c-r2 metric 200\n", "") + "sysctl ipv4/conf/all/rp_filter 1\nsysctl ipv4/conf/c-r2/rp_filter 1",
			[]string{"conf.c-r2.rp_filter=2"}, []string{"conf.all", "rule add"}, 1},

		// The hop that fails goes, and the route comes back as it was, weights too; of two
		// equal routes the first comes back as the first.
		{"one hop of two", asymmetric + "uplinks-gone-fault.jsonl",
			twoUplinks + "route add default metric 100 nexthop via 10.125.95.30 dev up1 weight 1 nexthop via 10.125.92.244 dev up2 weight 1",
			[]string{"route replace default via 10.125.92.244 dev up2 table 254 metric 100", "route add default via 10.125.95.30 dev up1 table 254 metric 200"}, nil, 2},
		{"one of two equal routes", asymmetric + "uplinks-equal-fault.jsonl",
			twoUplinks + "route add default via 10.183.112.103 dev up1 metric 100 proto dhcp\nroute append default via 10.183.115.137 dev up2 metric 100",
			[]string{"route del default via 10.183.112.103 dev up1 table 254 metric 100"}, []string{"route replace"}, 2},

		{"sender behind a default route", blackhole + "mtu-sender-fault.jsonl", sender + "route add default via 10.93.73.250 dev eth0",
			[]string{"route replace 10.93.74.20/32 via 10.93.73.250 dev eth0 mtu 1280", "tcp_mtu_probing=1", "link set dev eth0 mtu 1280"}, []string{"nft"}, 3},
		{"sender with a host route", blackhole + "mtu-sender-fault.jsonl", sender + "route add 10.93.74.20/32 via 10.93.73.250 dev eth0 src 10.93.73.251 mtu 1450",
			[]string{"route replace 10.93.74.20/32 via 10.93.73.250 dev eth0 src 10.93.73.251 mtu 1280"}, nil, 3},
		{"sender with a locked host route", blackhole + "mtu-sender-fault.jsonl", sender + "route add 10.93.74.20/32 via 10.93.73.250 dev eth0 mtu lock 1450",
			[]string{"route replace 10.93.74.20/32 via 10.93.73.250 dev eth0 mtu 1280"}, nil, 3},
		{"sender by a table of its own", blackhole + "mtu-sender-fault.jsonl",
			sender + "route add default via 10.93.73.250 dev eth0 table 77\nrule add from all table 77 pref 100\nsysctl ipv4/tcp_mtu_probing 1",
			[]string{"route replace 10.93.74.20/32 via 10.93.73.250 dev eth0 table 77 mtu 1280"}, []string{"tcp_mtu_probing=1"}, 2},
		{"sender on a neighbour's network", blackhole + "mtu-sender-fault.jsonl", sender + "route add 10.93.74.0/24 dev eth0",
			[]string{"route replace 10.93.74.20/32 dev eth0 mtu 1280"}, nil, 3},
		{"sender over IPv6", blackhole + "mtu-sender-ipv6-fault.jsonl", sender6, []string{"ip -6 route replace", "mtu 1280"}, []string{"rp_filter"}, 3},

		// The host's own sockets: no clamp in the forward chain is offered, it would do nothing.
		{"ICMP dropped by a rule", pmtud + "pmtud-inbound-fault.jsonl",
			walled + "nft add table inet fw; add chain inet fw in { type filter hook input priority 0; }; add rule inet fw in icmp type destination-unreachable drop",
			[]string{"insert rule inet fw in icmp type destination-unreachable icmp code frag-needed accept"}, []string{"hook forward"}, 3},
		{"ICMP dropped by a policy", pmtud + "pmtud-inbound-fault.jsonl",
			walled + "nft add table ip filter; add chain ip filter INPUT { type filter hook input priority 0; policy drop; }; add rule ip filter INPUT tcp dport 22 accept",
			[]string{"insert rule ip filter INPUT icmp"}, []string{"hook forward"}, 3},

		{"ports, reuse off", timewait + "ports-exhausted-fault.jsonl", "sysctl ipv4/ip_local_port_range 20000 20299\nsysctl ipv4/tcp_tw_reuse 0",
			[]string{"tcp_tw_reuse=1", "ip_local_port_range=10240 65535"}, []string{"tw_recycle=", "1024 65535"}, 2},
		{"ports, no timestamps", timewait + "ports-exhausted-fault.jsonl", "sysctl ipv4/ip_local_port_range 20000 20299\nsysctl ipv4/tcp_timestamps 0",
			[]string{"ip_local_port_range=10240 65535", "# tcp_tw_reuse would do nothing here"}, []string{"tcp_tw_reuse=1", "tw_recycle="}, 1},
		{"ports, some reserved", timewait + "ports-exhausted-fault.jsonl", "sysctl ipv4/ip_local_port_range 20000 20299\nsysctl ipv4/ip_local_reserved_ports 8080,20001-20005",
			[]string{"tcp_tw_reuse=1", "ip_local_port_range=10240 65535"}, nil, 2},
		{"no room for TIME_WAITs", timewait + "tw-overflow-fault.jsonl", "sysctl ipv4/tcp_max_tw_buckets 50",
			[]string{"tcp_max_tw_buckets=32768"}, []string{"tw_recycle="}, 1},
	}
}

// TestFixesFitTheirHostAndAreTakenBack renders each fix for each host, and does and
// undoes those steps that can be done.
func TestFixesFitTheirHostAndAreTakenBack(t *testing.T) {
	for _, h := range fixables() {
		t.Run(h.name, func(t *testing.T) {
			ns := h.build(t)
			f := h.found(t, ns)
			text := ""
			for _, step := range slices.Concat(f.Fix, f.Persistent) {
				text += step.Shell() + "\n"
			}
			for _, want := range h.says {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			for _, wrong := range h.never {
				if strings.Contains(text, wrong) {
					t.Errorf("%q is in\n%s", wrong, text)
				}
			}
			if did := h.runAll(t, ns, f); did != h.native {
				t.Errorf("%d steps were carried out, want %d:\n%s", did, h.native, text)
			}
		})
	}
}

// runAll does every native step alone, and takes it back.
func (h fixable) runAll(t *testing.T, ns *kerneltest.Netns, f *finding.Finding) (did int) {
	ctx := context.Background()
	before := everything(t, ns)
	for i, step := range f.Fix {
		c, err := Plan(ctx, f, i+1)
		var shell *NotNativeError
		if errors.As(err, &shell) {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", step.Shell(), err)
			continue
		}
		did++
		if err := c.Do(ctx); err != nil {
			t.Errorf("%s: %v", step.Shell(), err)
			continue
		}
		if during := everything(t, ns); during == before {
			t.Errorf("%s changed nothing", step.Shell())
		}
		if now, err := Current(ctx, c.Undo); err != nil || !foretold(replacing(step), replacing(now)) {
			t.Errorf("%s left %s, %v", step.Shell(), now.Shell(), err)
		}
		if err := c.TakeBack(ctx); err != nil {
			t.Errorf("%s, taken back: %v", step.Shell(), err)
		}
		if after := everything(t, ns); after != before {
			t.Fatalf("%s, taken back:\n%s\ninstead of\n%s", step.Shell(), after, before)
		}
	}
	return did
}

// replacing makes one verb of a route that is added where none was, and one that is
// replaced.
func replacing(s finding.Step) finding.Step {
	if route, ok := s.Op.(finding.RouteOp); ok && route.Verb == "add" {
		route.Verb = "replace"
		s.Op = route
	}
	return s
}

func (h fixable) build(t *testing.T) *kerneltest.Netns {
	t.Helper()
	ns := kerneltest.Namespace(t)
	for line := range strings.Lines(h.setup) {
		line = strings.TrimSpace(line)
		if command, ok := strings.CutPrefix(line, "nft "); ok {
			ns.Run(t, "nft", command)
		} else if setting, ok := strings.CutPrefix(line, "sysctl "); ok {
			key, value, _ := strings.Cut(setting, " ")
			ns.Sysctl(t, key, value)
		} else if line != "" {
			ns.Run(t, "ip", strings.Fields(line)...)
		}
	}
	kerneltest.Within(t, 10*time.Second, "every link has a carrier", func() bool {
		return !strings.Contains(everything(t, ns), "state DOWN") && !strings.Contains(everything(t, ns), "LOWERLAYERDOWN")
	})
	return ns
}

// found replays the recording with this host's answers, and gives the record that offers
// most.
func (h fixable) found(t *testing.T, ns *kerneltest.Netns) *finding.Finding {
	t.Helper()
	file, err := os.Open(h.recording)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() // only read
	reader, err := trace.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var best *finding.Finding
	e := engine.New(all.Detectors(), time.Duration(reader.Header().Quiet), engine.Out{Record: func(r *finding.Record) {
		if r.Action != finding.Closed && (best == nil || len(r.Fix) > len(best.Fix)) {
			best = &r.Finding
		}
	}})
	there := host.New(host.Real())
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		e.Observe(inPlace(t, there, ns, ev))
	}
	if best == nil {
		t.Fatal("nothing was found")
	}
	best.Netns = finding.Netns{Inode: uint32(ns.ID), Name: ns.Name}
	return best
}

// inPlace gives this host's answer in place of a recorded one, at the same moment.
func inPlace(t *testing.T, there *host.Host, ns *kerneltest.Netns, ev event.Event) event.Event {
	t.Helper()
	ask := func(w event.Want) event.Event {
		w.Of, w.Netns = ev.Kind(), ns.ID
		answer, err := there.Answer(context.Background(), w)
		if err != nil {
			t.Fatalf("ask for %s: %v", w.Of, err)
		}
		return answer
	}
	switch e := ev.(type) {
	case *event.Namespace:
		if e.Name != "" {
			e.Name, e.Path = ns.Name, ns.Path
		}
	case *event.Routing:
		answer := ask(event.Want{}).(*event.Routing)
		answer.Header = e.Header
		return answer
	case *event.RouteBack:
		answer := ask(event.Want{To: e.To, From: e.From}).(*event.RouteBack)
		answer.Header = e.Header
		return answer
	case *event.Path:
		answer := ask(event.Want{To: e.Peer, From: e.From}).(*event.Path)
		answer.Header = e.Header
		return answer
	case *event.PortSettings:
		answer := ask(event.Want{}).(*event.PortSettings)
		answer.Header = e.Header
		return answer
	}
	return ev
}

// everything is what fixes change.
func everything(t *testing.T, ns *kerneltest.Netns) string {
	t.Helper()
	var seen strings.Builder
	ns.Do(t, func() error {
		for _, command := range []string{
			"ip -d -o -4 route show table all", "ip -d -o -6 route show table all", "ip -4 rule", "ip -6 rule", "ip -o link",
			"nft list ruleset", "sysctl -a -r net.ipv4.conf.*rp_filter|net.ipv4.tcp_(mtu_probing|tw_reuse|max_tw_buckets)|net.ipv4.ip_local|net.ipv4.ip_no_pmtu_disc",
		} {
			words := strings.Fields(command)
			out, err := exec.Command(words[0], words[1:]...).Output()
			if err != nil {
				return err
			}
			seen.Write(volatile.ReplaceAll(out, nil))
		}
		return nil
	})
	return seen.String()
}
