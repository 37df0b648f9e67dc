// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"net/netip"
	"time"
)

// PathProbe is what an active probe found out about the MTU of the path to a peer: the
// answer to a Want of KindPathProbe, where active probes are allowed. Sizes are bytes
// of an IP packet.
type PathProbe struct {
	Header
	Peer netip.Addr `json:"peer"`
	From netip.Addr `json:"from,omitzero"`
	// UnderWay tells that it has begun: another one with its result will follow.
	UnderWay bool `json:"under_way,omitempty"`
	// Error says why there is no result: "no answer" where nothing came back whatever
	// the size; the other fields are empty then.
	Error string `json:"error,omitempty"`
	// Method is "echo", "udp" or "tcp".
	Method string `json:"method,omitempty"`
	// Passed is the largest size that arrived, Lost the smallest that did not, 0 where
	// all did. Exact tells that they are neighbours and that the border was verified.
	Passed uint32 `json:"passed,omitempty"`
	Lost   uint32 `json:"lost,omitempty"`
	Exact  bool   `json:"exact,omitempty"`
	// Silent tells that nobody said a word about packets of the size Lost.
	Silent bool `json:"silent,omitempty"`
	// Told is the MTU that somebody told for larger ones, 0 for none, and ToldBy who.
	Told   uint32     `json:"told,omitempty"`
	ToldBy netip.Addr `json:"told_by,omitzero"`
	// LastHop is how many hops away the last router is that was seen to get packets
	// that are lost in silence, 0 where none was; NextHop the next one known.
	LastHop     uint8      `json:"last_hop,omitempty"`
	LastHopAddr netip.Addr `json:"last_hop_addr,omitzero"`
	NextHop     uint8      `json:"next_hop,omitempty"`
	NextHopAddr netip.Addr `json:"next_hop_addr,omitzero"`
	// Packets and Took are what it cost.
	Packets uint32        `json:"packets"`
	Took    time.Duration `json:"took"`
}

// KindPathProbe is PathProbe's kind.
const KindPathProbe Kind = "path-probe"

// Kind implements Event.
func (*PathProbe) Kind() Kind { return KindPathProbe }
