// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func isBelow(path, root string) bool {
	return strings.HasPrefix(filepath.Clean(path), filepath.Clean(root)+"/")
}

// ground is a namespace with a few interfaces, routes and rules to change.
const ground = `
link add e0 type veth peer name e1
link add e2.100 type veth peer name e3
link set e0 addrgenmode none up
link set e1 addrgenmode none up
link set e2.100 addrgenmode none up
link set e3 addrgenmode none up
addr add 10.9.1.1/24 dev e0
addr add 10.9.2.1/24 dev e2.100
addr add 2001:db8::1/64 dev e0 nodad
route add default via 10.9.1.2 dev e0
route add 10.50.0.0/16 via 10.9.1.2 dev e0 src 10.9.1.1 metric 7 mtu 1400 advmss 1300
route add 10.51.0.0/16 dev e0 table 300
route add 10.52.0.0/16 via 10.77.0.1 dev e0 onlink
route add 10.53.0.0/16 via 10.9.1.2 dev e0 metric 5
route append 10.53.0.0/16 via 10.9.2.2 dev e2.100 metric 5
route add 10.54.0.0/16 via 10.9.1.2 dev e0 proto dhcp src 10.9.1.1
route add 10.55.0.0/16 mtu 1400 nexthop via 10.9.1.2 dev e0 weight 2 nexthop via 10.9.2.2 dev e2.100 weight 1
-6 route add 2001:db8:1::/64 via 2001:db8::2 dev e0 metric 50
-6 route add 2001:db8:3::/64 metric 60 nexthop via 2001:db8::2 dev e0 nexthop via 2001:db8::3 dev e0
rule add from 10.9.2.1 table 100 pref 1000
`

func prepare(t *testing.T) *kerneltest.Netns {
	t.Helper()
	ns := kerneltest.Namespace(t)
	for line := range strings.Lines(strings.TrimSpace(ground)) {
		ns.Run(t, "ip", strings.Fields(line)...)
	}
	kerneltest.Within(t, 10*time.Second, "every link has a carrier, and its routes", func() bool {
		text := state(t, ns)
		return !strings.Contains(text, "DOWN") && strings.Count(text, "multicast ff00::/8") == 4
	})
	return ns
}

// operations are changes that the ground allows.
func operations() []finding.Op {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	hops := []finding.Hop{{Gateway: addr("10.9.2.2"), Dev: "e2.100", Weight: 7}, {Gateway: addr("10.9.1.2"), Dev: "e0", Weight: 1}}
	hops6 := []finding.Hop{{Gateway: addr("2001:db8::2"), Dev: "e0", Weight: 2}, {Gateway: addr("2001:db8::3"), Dev: "e0", Weight: 1}}
	return []finding.Op{
		finding.Sysctl{Key: finding.SysctlKey("net", "ipv4", "conf", "e2.100", "rp_filter"), Value: "2"},
		finding.Sysctl{Key: "net.ipv4.ip_local_port_range", Value: "1024 65535"},
		finding.Sysctl{Key: "net.ipv4.ip_local_reserved_ports", Value: "8080,9000-9010"},
		finding.Sysctl{Key: "net.ipv4.tcp_tw_reuse", Value: "1"},
		finding.LinkOp{Dev: "e2.100", MTU: 1400},
		finding.RuleOp{Verb: "add", From: prefix("10.9.1.1/32"), Table: 100},
		finding.RuleOp{Verb: "add", From: prefix("10.9.1.0/24"), Table: 3000, Priority: 77},
		finding.RuleOp{Verb: "add", From: prefix("2001:db8::/64"), Table: 100, Priority: 78},
		finding.RuleOp{Verb: "del", From: prefix("10.9.2.1/32"), Table: 100},
		finding.RouteOp{Verb: "add", Destination: prefix("10.60.0.0/16"), Gateway: addr("10.9.2.2"), Dev: "e2.100"},
		finding.RouteOp{Verb: "add", Destination: prefix("10.60.1.2/32"), Dev: "e0", Source: addr("10.9.1.1"), Metric: 9},
		finding.RouteOp{Verb: "add", Gateway: addr("10.9.2.2"), Dev: "e2.100", Table: 100},
		finding.RouteOp{Verb: "replace", Gateway: addr("10.9.2.2"), Dev: "e2.100"},
		finding.RouteOp{Verb: "replace", Gateway: addr("10.9.2.2"), Dev: "e2.100", MTU: 1400, MTULock: true},
		finding.RouteOp{Verb: "replace", Gateway: addr("10.9.2.2"), Dev: "e2.100", Table: 3000, MTU: 1400, AdvMSS: 1360},
		finding.RouteOp{Verb: "replace", Destination: prefix("10.50.0.0/16"), Gateway: addr("10.9.2.2"), Dev: "e2.100", Metric: 7},
		finding.RouteOp{Verb: "add", Destination: prefix("10.61.0.0/16"), Gateway: addr("10.88.0.1"), Dev: "e0", OnLink: true},
		finding.RouteOp{Verb: "add", Destination: prefix("10.62.0.0/16"), Gateway: addr("2001:db8::9"), Dev: "e0"},
		finding.RouteOp{Verb: "add", Destination: prefix("2001:db8:2::/64"), Gateway: addr("2001:db8::2"), Dev: "e0", MTU: 1300},
		finding.RouteOp{Verb: "add", Dev: "e0", IPv6: true},
		finding.RouteOp{Verb: "replace", Destination: prefix("2001:db8:1::/64"), Gateway: addr("2001:db8::3"), Dev: "e0", Metric: 50},
		finding.RouteOp{Verb: "append", Destination: prefix("10.50.0.0/16"), Gateway: addr("10.9.2.2"), Dev: "e2.100", Metric: 9},
		finding.RouteOp{Verb: "del", Destination: prefix("10.53.0.0/16"), Gateway: addr("10.9.2.2"), Dev: "e2.100", Metric: 5},
		finding.RouteOp{Verb: "del", Destination: prefix("10.50.0.0/16")},
		finding.RouteOp{Verb: "del", Destination: prefix("10.51.0.0/16"), Dev: "e0", Table: 300},
		finding.RouteOp{Verb: "del", Destination: prefix("10.52.0.0/16")},
		finding.RouteOp{Verb: "del", Destination: prefix("2001:db8:1::/64")},
		finding.RouteOp{Verb: "del", Gateway: addr("10.9.1.2"), Dev: "e0"},
		finding.RouteOp{Verb: "del", Destination: prefix("10.53.0.0/16"), Gateway: addr("10.9.1.2"), Dev: "e0", Metric: 5},
		finding.RouteOp{Verb: "append", Destination: prefix("10.50.0.0/16"), Gateway: addr("10.9.2.2"), Dev: "e2.100", Metric: 7},
		finding.RouteOp{Verb: "prepend", Destination: prefix("10.50.0.0/16"), Gateway: addr("10.9.2.2"), Dev: "e2.100", Metric: 7},
		finding.RouteOp{Verb: "del", Destination: prefix("10.54.0.0/16")},
		finding.RouteOp{Verb: "replace", Destination: prefix("10.54.0.0/16"), Gateway: addr("10.9.2.2"), Dev: "e2.100", Protocol: "static"},
		finding.RouteOp{Verb: "replace", Destination: prefix("10.54.0.0/16"), Hops: hops},
		finding.RouteOp{Verb: "replace", Destination: prefix("10.55.0.0/16"), Gateway: addr("10.9.2.2"), Dev: "e2.100"},
		finding.RouteOp{Verb: "replace", Destination: prefix("10.55.0.0/16"), MTU: 1300, Hops: hops},
		finding.RouteOp{Verb: "del", Destination: prefix("10.55.0.0/16")},
		finding.RouteOp{Verb: "add", Destination: prefix("10.63.0.0/16"), Metric: 8, Hops: hops},
		finding.RouteOp{Verb: "add", Destination: prefix("10.63.1.0/24"), Hops: []finding.Hop{hops[0], {Gateway: addr("10.99.0.1"), Dev: "e0", Weight: 1, OnLink: true}}},
		finding.RouteOp{Verb: "add", Destination: prefix("10.63.2.0/24"), Hops: []finding.Hop{hops[0], {Gateway: addr("2001:db8::9"), Dev: "e0", Weight: 1}}},
		finding.RouteOp{Verb: "add", Destination: prefix("2001:db8:4::/64"), Hops: hops6},
		finding.RouteOp{Verb: "append", Destination: prefix("2001:db8:1::/64"), Gateway: addr("2001:db8::3"), Dev: "e0", Metric: 50},
		finding.RouteOp{Verb: "append", Destination: prefix("2001:db8:3::/64"), Gateway: addr("2001:db8::4"), Dev: "e0", Metric: 60},
		finding.RouteOp{Verb: "del", Destination: prefix("2001:db8:3::/64"), Gateway: addr("2001:db8::3"), Dev: "e0", Metric: 60},
		finding.RouteOp{Verb: "del", Destination: prefix("2001:db8:3::/64"), Metric: 60},
	}
}

// volatile is what two namespaces made alike do not have in common.
var volatile = regexp.MustCompile(`link/ether \S+ brd \S+|qlen \d+|@if\d+`)

// state is all that the operations change.
func state(t *testing.T, ns *kerneltest.Netns) string {
	t.Helper()
	var seen strings.Builder
	ns.Do(t, func() error {
		for _, command := range []string{
			"ip -d -o -4 route show table all", "ip -d -o -6 route show table all", "ip -4 rule", "ip -6 rule", "ip -o link",
		} {
			words := strings.Fields(command)
			out, err := exec.Command(words[0], words[1:]...).Output()
			if err != nil {
				return fmt.Errorf("%s: %w", command, err)
			}
			seen.Write(volatile.ReplaceAll(out, nil))
		}
		for _, key := range []string{"conf/e2.100/rp_filter", "ip_local_port_range", "ip_local_reserved_ports", "tcp_tw_reuse"} {
			value, err := os.ReadFile("/proc/sys/net/ipv4/" + key)
			if err != nil {
				return err
			}
			fmt.Fprintf(&seen, "%s = %s", key, value)
		}
		return nil
	})
	return seen.String()
}

func paste(t *testing.T, step finding.Step) {
	t.Helper()
	if out, err := exec.Command("/bin/sh", "-ec", step.Shell()).CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", step.Shell(), err, out)
	}
}

// TestApplyDoesWhatThePastedCommandDoes also takes every change back: what Current
// gave before is applied after, natively here and pasted there.
func TestApplyDoesWhatThePastedCommandDoes(t *testing.T) {
	kerneltest.Exclusive(t)
	native, pasted := prepare(t), prepare(t)
	ctx := context.Background()
	var before string
	// The kernel makes a link's IPv6 routes and addresses in its own time.
	kerneltest.Within(t, 10*time.Second, "the two namespaces are alike", func() bool {
		before = state(t, native)
		return before == state(t, pasted)
	})
	for _, op := range operations() {
		t.Run(op.Shell(), func(t *testing.T) {
			one := finding.Step{Op: op, Enter: finding.Enter{Name: native.Name}}
			other := finding.Step{Op: op, Enter: finding.Enter{Path: pasted.Path}}
			undo, err := Current(ctx, one)
			if err != nil {
				t.Fatalf("current: %v", err)
			}
			if err := Apply(ctx, one); err != nil {
				t.Fatalf("apply: %v", err)
			}
			paste(t, other)
			did, want := state(t, native), state(t, pasted)
			if did != want || did == before {
				t.Errorf("applied:\n%s\npasted:\n%s", did, want)
			}
			if err := Apply(ctx, undo); err != nil {
				t.Errorf("take back by %s: %v", undo.Shell(), err)
			}
			undo.Enter = other.Enter
			paste(t, undo)
			if did, want := state(t, native), state(t, pasted); did != before || want != before {
				t.Errorf("before:\n%s\ntaken back:\n%s\npasted back:\n%s", before, did, want)
			}
		})
	}
}

func TestApplySaysWhyItCannot(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := prepare(t)
	before := state(t, ns)
	prefix := netip.MustParsePrefix
	for want, op := range map[string]finding.Op{
		"no kernel parameter net.ipv4.no_such": finding.Sysctl{Key: "net.ipv4.no_such", Value: "1"},
		"invalid argument":                     finding.Sysctl{Key: "net.ipv4.tcp_tw_reuse", Value: "x"},
		"find interface e9":                    finding.LinkOp{Dev: "e9", MTU: 1400},
		"file exists":                          finding.RouteOp{Verb: "add", Destination: prefix("10.51.0.0/16"), Dev: "e0", Table: 300},
		"no such process":                      finding.RouteOp{Verb: "del", Destination: prefix("10.99.0.0/16"), Dev: "e0"},
		"nothing to do with a route":           finding.RouteOp{Verb: "flush", Destination: prefix("10.50.0.0/16")},
		"no routing protocol":                  finding.RouteOp{Verb: "add", Destination: prefix("10.99.0.0/16"), Dev: "e0", Protocol: "hearsay"},
		"nothing to do with a rule":            finding.RuleOp{Verb: "flush"},
		"no such file or directory":            finding.RuleOp{Verb: "del", From: prefix("10.1.1.1/32"), Table: 5},
	} {
		step := finding.Step{Op: op, Enter: finding.Enter{Name: ns.Name}}
		if err := Apply(context.Background(), step); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", op.Shell(), err, want)
		}
	}
	if after := state(t, ns); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func TestCurrentRefusesWhatAStepCannotSay(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := prepare(t)
	ns.Run(t, "ip", "route", "add", "blackhole", "10.70.0.0/16")
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	for want, op := range map[string]finding.Op{
		"cannot be expressed":  finding.RouteOp{Verb: "replace", Destination: prefix("10.70.0.0/16"), Dev: "e0"},
		"such a route already": finding.RouteOp{Verb: "append", Destination: prefix("10.53.0.0/16"), Gateway: addr("10.9.2.2"), Dev: "e2.100", Metric: 5},
		"already":              finding.RouteOp{Verb: "add", Destination: prefix("10.50.0.0/16"), Dev: "e0", Metric: 7},
		"no such route":        finding.RouteOp{Verb: "del", Destination: prefix("10.99.0.0/16")},
		"no such rule":         finding.RuleOp{Verb: "del", From: prefix("10.99.0.0/16")},
	} {
		step := finding.Step{Op: op, Enter: finding.Enter{Name: ns.Name}}
		if undo, err := Current(context.Background(), step); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v, want %s", op.Shell(), undo.Op, err, want)
		}
	}
}

func TestApplyInAGoneNamespaceFails(t *testing.T) {
	kerneltest.RequireRoot(t)
	step := finding.Step{Op: finding.LinkOp{Dev: "lo", MTU: 1500}, Enter: finding.Enter{Name: "trapbpf-no-such"}}
	if err := Apply(context.Background(), step); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("got %v", err)
	}
}
