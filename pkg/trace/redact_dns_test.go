// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/event"
)

func TestRedactedNamesKeepTheirShape(t *testing.T) {
	r := NewRedactor([]byte("key"), false, true)
	name, suffix := r.domain("api.example.org"), r.domain("svc.cluster.local")
	if whole := r.domain("api.example.org.svc.cluster.local"); whole != name+"."+suffix {
		t.Errorf("%s is not %s with the suffix %s", whole, name, suffix)
	}
	if strings.Count(name, ".") != 2 || strings.Contains(name, "api") || strings.Contains(name, "org") {
		t.Errorf("mapped to %s", name)
	}
	if r.domain(".") != "." || r.domain("") != "" {
		t.Error("the root is a name to nobody")
	}
}

func TestRedactionLeavesNoQueryNameBehind(t *testing.T) {
	const secret = "secret"
	r := NewRedactor([]byte("key"), true, true)
	text := written(t, r,
		&event.DNSQuery{Name: secret + ".example", Owner: event.Owner{Comm: secret}},
		&event.DNSAnswer{Name: "a." + secret, Aliases: []string{secret, "b." + secret}},
		&event.Dial{Owner: event.Owner{Comm: secret}},
		&event.Resolver{Path: "/proc/1/root/" + secret, Link: "/run/" + secret, Search: []string{secret + ".local"}})
	if strings.Contains(text, secret) {
		t.Errorf("a name is left: %s", text)
	}
	answer := &event.DNSAnswer{Name: secret, Aliases: []string{secret}}
	written(t, r, answer)
	if answer.Aliases[0] != secret {
		t.Error("the engine's event was changed")
	}
}
