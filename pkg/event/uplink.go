// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"net/netip"
	"time"
)

// Uplinks is a look at the TCP handshakes that went by default routes which nothing
// ranks: the answer to a Want of KindUplinks. It is told only where there are such
// routes and a SYN that one of them carried waits for its answer, or did at the look
// before.
type Uplinks struct {
	Header
	// Ways are the next hops of default routes that share family, table and metric with
	// another, at most UplinkWays; those of one rank in the order of the kernel's table.
	Ways []Way `json:"ways,omitempty"`
	// Handshakes are those of sockets that are there now, at most UplinkHandshakes of
	// each kind; Untold counts those beyond.
	Handshakes []Handshake `json:"handshakes,omitempty"`
	Untold     uint32      `json:"untold,omitempty"`
}

// Bounds of Uplinks' lists.
const (
	UplinkWays       = 16
	UplinkHandshakes = 64
)

// KindUplinks is Uplinks's kind.
const KindUplinks Kind = "uplinks"

// Kind implements Event.
func (*Uplinks) Kind() Kind { return KindUplinks }

// Way is one next hop of a default route.
type Way struct {
	Gateway netip.Addr `json:"gateway,omitzero"`
	Iface   string     `json:"iface"`
	Table   uint32     `json:"table"`
	Metric  uint32     `json:"metric,omitempty"`
	IPv6    bool       `json:"ipv6,omitempty"`
	// Shared tells that it is one of several next hops of one route, else it is a
	// route of its own. Text is that route.
	Shared bool   `json:"shared,omitempty"`
	Text   string `json:"text"`
	// Neighbour is the state of the gateway in the neighbour table, "" where it is not
	// in there: "reachable", "stale", "delay", "probe", "incomplete", "failed".
	Neighbour string `json:"neighbour,omitempty"`
}

// Absent tells that the gateway does not answer on its own link.
func (w Way) Absent() bool { return w.Neighbour == "failed" || w.Neighbour == "incomplete" }

// Handshake is how the opening of connections fared: of one socket where it was not
// answered, of all with one peer where it was.
type Handshake struct {
	// Local has port 0 where several sockets are summed.
	Local netip.AddrPort `json:"local"`
	Peer  netip.AddrPort `json:"peer"`
	// Way is the index in Ways of the one that the kernel takes for these addresses and
	// ports.
	Way int `json:"way"`
	// Answered is false where a SYN was sent again and waits still, Resent is how often.
	Answered bool  `json:"answered,omitempty"`
	Resent   uint8 `json:"resent,omitempty"`
	// Ago is how long before the look the peer was last heard.
	Ago time.Duration `json:"ago,omitempty"`
}
