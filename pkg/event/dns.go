// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import "net/netip"

// The kinds that DNS traps rest on.
const (
	KindDNSQuery  Kind = "dns-query"
	KindDNSAnswer Kind = "dns-answer"
	KindDial      Kind = "dial"
	KindResolver  Kind = "resolver"
)

// DNSQuery is a question that a socket sent to port 53.
//
// Names are lower case, without the dot at the end (the root is "."). Bytes that are
// no printable ASCII, and backslashes, are written \DDD in decimal (RFC 4343, 2.1), so
// that a name can be shown as it is.
type DNSQuery struct {
	Header
	Client netip.AddrPort `json:"client"`
	Server netip.AddrPort `json:"server"`
	// Protocol is ProtocolUDP or ProtocolTCP.
	Protocol uint8  `json:"protocol"`
	ID       uint16 `json:"id"`
	Name     string `json:"name"`
	// Type is the type's mnemonic, or TYPE and its number (RFC 3597).
	Type string `json:"type"`
	// Recursive is the RD bit: a stub's question. A recursive resolver's own questions
	// to authoritative servers do not have it.
	Recursive bool  `json:"recursive,omitempty"`
	Owner     Owner `json:"owner"`
}

// Kind implements Event.
func (*DNSQuery) Kind() Kind { return KindDNSQuery }

// DNSAnswer is what came back. Of its contents only what is named here is kept.
type DNSAnswer struct {
	Header
	Client   netip.AddrPort `json:"client"`
	Server   netip.AddrPort `json:"server"`
	Protocol uint8          `json:"protocol"`
	ID       uint16         `json:"id"`
	Name     string         `json:"name"`
	Type     string         `json:"type"`
	// RCode is the response code's mnemonic, EDNS0's upper bits included.
	RCode string `json:"rcode"`
	// Authoritative (AA), Truncated (TC) and Authenticated (AD) are its flags.
	Authoritative bool `json:"authoritative,omitempty"`
	Truncated     bool `json:"truncated,omitempty"`
	Authenticated bool `json:"authenticated,omitempty"`
	// Addresses are those of the answer's A and AAAA records and of the address hints
	// of SVCB and HTTPS, in the order in which they came, at most DNSAddresses.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	// Aliases are the targets of CNAME records, at most DNSAliases.
	Aliases []string `json:"aliases,omitempty"`
	// Records counts the records of the type that was asked for.
	Records uint16 `json:"records,omitempty"`
	// TTL is the smallest of the answer's records, in seconds: how long all of it holds.
	TTL uint32 `json:"ttl,omitempty"`
	// NegativeTTL is how long a denial holds, from the SOA record that came with it
	// (RFC 2308, 5): 0 where there was none.
	NegativeTTL uint32 `json:"negative_ttl,omitempty"`
	// Cut is true where the message was longer than what was captured of it.
	Cut bool `json:"cut,omitempty"`
}

// Bounds of DNSAnswer's lists.
const (
	DNSAddresses = 32
	DNSAliases   = 8
)

// Kind implements Event.
func (*DNSAnswer) Kind() Kind { return KindDNSAnswer }

// Dial is a connect() to an address that was asked for by a Want. Of each address the
// first is an event, then at most one in each sampling interval, with an exact Count.
type Dial struct {
	Header
	Destination netip.AddrPort `json:"destination"`
	Protocol    uint8          `json:"protocol"`
	Owner       Owner          `json:"owner"`
	// Count is how many connects to the address there were since it was asked for.
	Count uint64 `json:"count"`
}

// Kind implements Event.
func (*Dial) Kind() Kind { return KindDial }

// Resolver is how a process resolves names: the files that its C library or runtime
// reads, as that process sees them, and what answers on this host.
type Resolver struct {
	Header
	// PID is the process that was asked for.
	PID uint32 `json:"pid"`
	// Path is resolv.conf as the agent can reach it. Elsewhere is true where the
	// process had ended and another one's file was read: its namespace's.
	Path      string `json:"path,omitempty"`
	Elsewhere bool   `json:"elsewhere,omitempty"`
	// Link is where resolv.conf leads where it is a symbolic link: the file of a
	// program that writes it anew.
	Link        string       `json:"link,omitempty"`
	Nameservers []netip.Addr `json:"nameservers,omitempty"`
	Search      []string     `json:"search,omitempty"`
	// Ndots is resolv.conf(5)'s, 1 where it says none; Timeout in seconds and Attempts
	// are 5 and 2 then.
	Ndots    int `json:"ndots"`
	Timeout  int `json:"timeout"`
	Attempts int `json:"attempts"`
	// Options are all of the file's options, as written.
	Options []string `json:"options,omitempty"`
	// Hosts is the "hosts" line of nsswitch.conf, without its name.
	Hosts string `json:"hosts,omitempty"`
	// Upstreams are the servers that systemd-resolved asks.
	Upstreams []netip.Addr `json:"upstreams,omitempty"`
	// Caches are the caching resolvers that run on the host.
	Caches []Cache `json:"caches,omitempty"`
	// Serves is true where the process answers at port 53: what it asks, others asked of it.
	Serves bool `json:"serves,omitempty"`
	// Virtual is the runtime that caches by itself where the process is one: "java".
	Virtual string `json:"virtual,omitempty"`
}

// Cache is a program that keeps answers.
type Cache struct {
	// Name is the program's: "systemd-resolved", "nscd", "dnsmasq", "unbound", ...
	Name string `json:"name"`
	PID  uint32 `json:"pid"`
	// Netns is the network namespace that it runs in.
	Netns Netns `json:"netns,omitempty"`
}

// Kind implements Event.
func (*Resolver) Kind() Kind { return KindResolver }
