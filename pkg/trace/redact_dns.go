// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"net/netip"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/event"
)

func (r *Redactor) dns(e event.Event) event.Event {
	switch e := e.(type) {
	case *event.DNSQuery:
		kept := *e
		kept.Client, kept.Server = r.addrPort(e.Client), r.addrPort(e.Server)
		kept.Name = r.domain(e.Name)
		kept.Owner.Comm = r.name("process", e.Owner.Comm)
		return &kept
	case *event.DNSAnswer:
		kept := *e
		kept.Client, kept.Server = r.addrPort(e.Client), r.addrPort(e.Server)
		kept.Name, kept.Aliases = r.domain(e.Name), r.domains(e.Aliases)
		kept.Addresses = r.addrs(e.Addresses)
		return &kept
	case *event.Dial:
		kept := *e
		kept.Destination = r.addrPort(e.Destination)
		kept.Owner.Comm = r.name("process", e.Owner.Comm)
		return &kept
	case *event.Resolver:
		kept := *e
		kept.Path, kept.Link = r.name("path", e.Path), r.name("path", e.Link)
		kept.Search = r.domains(e.Search)
		kept.Nameservers, kept.Upstreams = r.addrs(e.Nameservers), r.addrs(e.Upstreams)
		return &kept
	default:
		return e
	}
}

// domain maps a name label by label: names that share a suffix share one afterwards,
// and dots stay where they were, so that search lists are still recognised.
func (r *Redactor) domain(name string) string {
	if !r.Names || name == "" || name == "." {
		return name
	}
	labels := strings.Split(name, ".")
	for i, label := range labels {
		if label != "" {
			labels[i] = r.name("n", label)
		}
	}
	return strings.Join(labels, ".")
}

func (r *Redactor) domains(names []string) []string {
	mapped := make([]string, len(names))
	for i, name := range names {
		mapped[i] = r.domain(name)
	}
	return mapped
}

func (r *Redactor) addrs(addrs []netip.Addr) []netip.Addr {
	mapped := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		mapped[i] = r.addr(a)
	}
	return mapped
}
