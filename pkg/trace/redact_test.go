// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/event"
)

func TestRedactionLeavesNoAddressOrNameBehind(t *testing.T) {
	r := NewRedactor([]byte("key"), true, true)
	for _, e := range every() {
		filled(reflect.ValueOf(e).Elem())
		text := written(t, r, e)
		for _, secret := range []string{"10.1.2.3", "10.1.2.0"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s still tells %s: %s", e.Kind(), secret, text)
			}
		}
	}
	named := written(t, r,
		&event.Process{Name: "secretd", Executable: "/opt/secretd", CgroupPath: "/secretd", ContainerID: "secretd"},
		&event.Namespace{Name: "secretd", Path: "/run/netns/secretd"}, &event.Host{Name: "secretd"},
		&event.PortFailure{Owner: event.Owner{Comm: "secretd"}}, &event.PortPressure{Owner: event.Owner{Comm: "secretd"}})
	if strings.Contains(named, "secretd") {
		t.Errorf("a name is left: %s", named)
	}
}

func TestRedactionKeepsWhatTheEngineReasonsBy(t *testing.T) {
	r := NewRedactor([]byte("key"), true, false)
	a, b := netip.MustParseAddr("192.168.7.1"), netip.MustParseAddr("192.168.7.200")
	prefix := netip.MustParsePrefix("192.168.7.0/24")
	if r.addr(a) == a || r.addr(a) == r.addr(b) {
		t.Error("the mapping is no consistent replacement")
	}
	mapped := r.prefix(prefix)
	if !mapped.Contains(r.addr(a)) || !mapped.Contains(r.addr(b)) {
		t.Errorf("%v does not cover %v and %v any more", mapped, r.addr(a), r.addr(b))
	}
	for _, special := range []string{"127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.251", "fe80::1", "::1", "ff02::1"} {
		if a := netip.MustParseAddr(special); r.addr(a) != a {
			t.Errorf("%s became %s", special, r.addr(a))
		}
	}
	text := r.text("default via 192.168.7.1 dev eth0 proto static metric 100")
	if strings.Contains(text, "192.168.7.1") || !strings.HasSuffix(text, "dev eth0 proto static metric 100") {
		t.Errorf("route text %q", text)
	}
}

func TestRedactionLeavesTheEventItself(t *testing.T) {
	use := &event.PortUse{Rows: []event.PortUseRow{{Source: netip.MustParseAddr("192.168.7.1")}}}
	written(t, NewRedactor([]byte("key"), true, true), use)
	if use.Rows[0].Source.String() != "192.168.7.1" {
		t.Error("the engine's event was changed")
	}
}
