// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import "net/netip"

// root gives some of the root's servers, for a host whose resolvers know of no zone at
// all. The addresses stand in https://www.internic.net/domain/named.root, and have
// hardly changed in decades.
func (f *finder) root() zone {
	z := zone{name: "."}
	for _, server := range []struct{ name, four, six string }{
		{"k.root-servers.net", "193.0.14.129", "2001:7fd::1"},
		{"l.root-servers.net", "199.7.83.42", "2001:500:9f::42"},
		{"f.root-servers.net", "192.5.5.241", "2001:500:2f::f"},
		{"a.root-servers.net", "198.41.0.4", "2001:503:ba3e::2:30"},
	} {
		z.hosts = append(z.hosts,
			host{server.name, netip.AddrPortFrom(netip.MustParseAddr(server.four), f.port)},
			host{server.name, netip.AddrPortFrom(netip.MustParseAddr(server.six), f.port)})
	}
	return z
}
