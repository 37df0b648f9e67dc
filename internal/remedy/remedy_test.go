// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"errors"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func TestStepsForAPersonAreNotCarriedOut(t *testing.T) {
	for _, op := range []finding.Op{
		finding.NftOp{Command: "flush ruleset"}, finding.FileOp{Path: "/dev/null"}, finding.Command{Line: "false"},
	} {
		step := finding.Step{Op: op}
		var refused *NotNativeError
		if err := Apply(context.Background(), step); !errors.As(err, &refused) || refused.Op != op {
			t.Errorf("apply %#v: %v", op, err)
		}
		if _, err := Current(context.Background(), step); !errors.As(err, &refused) {
			t.Errorf("current %#v: %v", op, err)
		}
	}
}

func TestSysctlKeysBecomePathsAsSysctlDoesIt(t *testing.T) {
	for key, want := range map[string]string{
		"net.ipv4.tcp_tw_reuse":                 "/proc/sys/net/ipv4/tcp_tw_reuse",
		"net/ipv4/tcp_tw_reuse":                 "/proc/sys/net/ipv4/tcp_tw_reuse",
		"net.ipv4.conf.eth0/100.rp_filter":      "/proc/sys/net/ipv4/conf/eth0.100/rp_filter",
		"net/ipv4/conf/eth0.100/rp_filter":      "/proc/sys/net/ipv4/conf/eth0.100/rp_filter",
		"net.ipv4.conf.it's odd.rp_filter":      "/proc/sys/net/ipv4/conf/it's odd/rp_filter",
		finding.SysctlKey("net", "ipv4", "a.b"): "/proc/sys/net/ipv4/a.b",
	} {
		if got, err := sysctlPath(key); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", key, got, err, want)
		}
	}
}

func TestSysctlReachesNothingButTheNamespacesOwn(t *testing.T) {
	for _, key := range []string{
		"", "net", "net.", "kernel.core_pattern", "vm/swappiness", "net.//.//.kernel.core_pattern",
		"net/../kernel/core_pattern", "net.ipv4..x", "net/./x", "/etc/passwd", "./net/x", "net.ipv4.a\x00b",
	} {
		if got, err := sysctlPath(key); err == nil {
			t.Errorf("%q: got %s", key, got)
		}
	}
}

func FuzzSysctlPathStaysBelowNet(f *testing.F) {
	f.Add("net.ipv4.conf.eth0/100.rp_filter")
	f.Add("net.//.//.kernel")
	f.Fuzz(func(t *testing.T, key string) {
		if path, err := sysctlPath(key); err == nil && !isBelow(path, netRoot) {
			t.Errorf("%q: %s", key, path)
		}
	})
}

func TestNamespaceNamesAreNoPaths(t *testing.T) {
	for _, name := range []string{"../../proc/1/ns/net", "a/b", ".", ".."} {
		if got, err := pathOf(finding.Enter{Name: name}); err == nil {
			t.Errorf("%q: %s", name, got)
		}
	}
}

func TestNothingIsDoneOnceTheCallerGaveUp(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	step := finding.Step{Op: finding.Sysctl{Key: "net.ipv4.tcp_tw_reuse", Value: "no number"}}
	if err := Apply(ctx, step); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
