// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"errors"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/host"
)

func TestTargetsThatAreNone(t *testing.T) {
	for _, word := range []string{
		"", "-n", "a b", "http://example.org", "example.org:443", "[::1]", "a;reboot", "a\x00b", "a\nb", "0.0.0.0", "::",
		"255.255.255.255", "224.0.0.1", "ff02::1", "$(id)", strings.Repeat("a", 300), "caf\u00e9", "10.0.0.0/8",
	} {
		addr, err := Resolve(t.Context(), host.Target{}, word, false)
		if !errors.Is(err, ErrTarget) {
			t.Errorf("%q is %s, %v", word, addr, err)
			continue
		}
		if strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 200 {
			t.Errorf("%q: error %q", word, err)
		}
	}
}

func TestTargetsThatAreAddresses(t *testing.T) {
	for word, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "::ffff:10.0.0.1": "10.0.0.1", "2001:db8::1": "2001:db8::1", "fe80::1%eth0": "fe80::1%eth0", "localhost": "127.0.0.1",
	} {
		if addr, err := Resolve(t.Context(), host.Target{}, word, false); err != nil || addr.String() != want {
			t.Errorf("%s is %s, %v", word, addr, err)
		}
	}
	if addr, err := Resolve(t.Context(), host.Target{}, "10.0.0.1", true); !errors.Is(err, ErrTarget) {
		t.Errorf("an IPv4 address of IPv6 is %s, %v", addr, err)
	}
}
