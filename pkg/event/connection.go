// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import "net/netip"

// Connection is one TCP connection as its socket stands at a moment. Packets are
// wire segments, sizes are bytes.
type Connection struct {
	// Local is our end, Peer the other.
	Local netip.AddrPort `json:"local"`
	Peer  netip.AddrPort `json:"peer"`
	// State is TCP_*: a socket in TIME_WAIT has only that and its two ends.
	State TCPState `json:"state"`
	// Unacked is the first byte that the peer has not acknowledged (snd_una), Next
	// the first that was not sent, ReceiveNext the first that did not come in.
	Unacked     uint32 `json:"unacked,omitempty"`
	Next        uint32 `json:"next,omitempty"`
	ReceiveNext uint32 `json:"receive_next,omitempty"`
	// Hole is how many bytes are missing at ReceiveNext while later ones wait in
	// the out-of-order queue, Queued how many those are; 0 where nothing is missing.
	Hole          uint32 `json:"hole,omitempty"`
	Queued        uint32 `json:"queued,omitempty"`
	BytesAcked    uint64 `json:"bytes_acked,omitempty"`
	BytesReceived uint64 `json:"bytes_received,omitempty"`
	// Delivered counts segments that were acknowledged or SACKed, SegmentsIn all
	// that came in.
	Delivered  uint32 `json:"delivered,omitempty"`
	SegmentsIn uint32 `json:"segments_in,omitempty"`
	// Out, Sacked and Lost count segments in flight; SackedBytes are those of the
	// SACK blocks last received.
	Out         uint32 `json:"out,omitempty"`
	Sacked      uint32 `json:"sacked,omitempty"`
	Lost        uint32 `json:"lost,omitempty"`
	SackedBytes uint32 `json:"sacked_bytes,omitempty"`
	// Window is what the peer allows beyond Unacked.
	Window uint32 `json:"window"`
	// MSS is the payload of a full segment, Overhead its IP and TCP headers, PathMTU
	// what the socket believes of its path.
	MSS      uint32 `json:"mss,omitempty"`
	Overhead uint32 `json:"overhead,omitempty"`
	PathMTU  uint32 `json:"path_mtu,omitempty"`
	// ReceiveMSS is the largest payload that came in of late, as the kernel guesses.
	ReceiveMSS uint32 `json:"receive_mss,omitempty"`
	// Retransmits and Backoff are the socket's own counts of time-outs in a row.
	Retransmits uint8 `json:"retransmits,omitempty"`
	Backoff     uint8 `json:"backoff,omitempty"`
	// DSACKs counts segments that the peer got twice: resends that were not needed.
	DSACKs uint32 `json:"dsacks,omitempty"`
	// Probing tells that tcp_mtu_probing is at work here, ProbeSize of what size its
	// probe under way is.
	Probing   bool   `json:"probing,omitempty"`
	ProbeSize uint32 `json:"probe_size,omitempty"`
}

// FullSize is the wire size of a full segment.
func (c *Connection) FullSize() uint32 { return c.MSS + c.Overhead }

// TCPState is a TCP socket's state, by the kernel's numbers (net/tcp_states.h).
type TCPState uint8

// The states that detectors tell apart.
const (
	TCPEstablished TCPState = 1
	TCPSynSent     TCPState = 2
	TCPSynReceived TCPState = 3
	TCPTimeWait    TCPState = 6
	TCPClosed      TCPState = 7
)

// Retransmit is a time-out that sent a connection's first unacknowledged segment
// again, and not for the first time. The kernel's programs tell no others: a single
// time-out, a fast retransmit and a tail-loss probe are everyday.
type Retransmit struct {
	Header
	Connection Connection `json:"connection"`
	Owner      Owner      `json:"owner"`
	// Since is when this segment was sent again first.
	Since Time `json:"since"`
	// Size is its wire size at this resend, the IP header included.
	Size uint32 `json:"size"`
	// Timeouts is how often a time-out has sent it again, this time included.
	Timeouts uint32 `json:"timeouts"`
	// Passed is the largest wire size at which a resend of this connection is known
	// to have got through, 0 if none is.
	Passed uint32 `json:"passed,omitempty"`
}

// KindRetransmit is Retransmit's kind.
const KindRetransmit Kind = "retransmit"

// Kind implements Event.
func (*Retransmit) Kind() Kind { return KindRetransmit }

// Connections is a sweep over a namespace's TCP sockets: those with a hole, and
// every one with the peer that was asked for.
type Connections struct {
	Header
	// Peer is the peer that was asked for, invalid where only holes were.
	Peer netip.Addr `json:"peer,omitzero"`
	// Rows are at most ConnectionRows; Untold counts those beyond.
	Rows   []Connection `json:"rows,omitempty"`
	Untold uint32       `json:"untold,omitempty"`
}

// ConnectionRows bounds Connections.Rows.
const ConnectionRows = 64

// KindConnections is Connections's kind.
const KindConnections Kind = "connections"

// Kind implements Event.
func (*Connections) Kind() Kind { return KindConnections }
