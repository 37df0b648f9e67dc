// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Bounds of what is kept of paths: those in trouble only, so a few of thousands of
// peers.
const (
	maxPaths  = 4096
	maxStalls = 16
	maxSeen   = 2 * event.ConnectionRows
)

// PathKey names a path: the way from a namespace to one peer.
type PathKey struct {
	Netns event.Netns
	Peer  netip.Addr
}

// Tuple names a connection within its namespace.
type Tuple struct{ Local, Peer netip.AddrPort }

func tupleOf(c *event.Connection) Tuple { return Tuple{c.Local, c.Peer} }

// Path is what was seen of a path: which sizes got through and which did not, by
// whatever means it was learned. Sizes are bytes of an IP packet on the wire.
type Path struct {
	Key PathKey
	// Local is the address of ours that was first seen to use it.
	Local netip.Addr
	// Passed is the largest size known to have got through to the peer, 0 if none is.
	// It is a lower bound: what was acknowledged tells bytes and segments, not each
	// segment's size. Likely is the largest that must be thought to have: a mean that
	// is nearly a full segment's, of which most are full in all likelihood.
	Passed, Likely uint32
	// Small is the newest proof that small packets go there and back, Deaf the newest
	// sign that they do not either.
	Small, Deaf Sign
	// Fresh is the largest size that was seen to get through of late, and when.
	Fresh Passage
	// Inward is the newest proof that full-size segments come in from the peer.
	Inward Sign
	// Told is the newest ICMP "too big" about it that came in, Killed the newest that
	// a firewall here dropped.
	Told   Told
	Killed Killed
	// Refused is the newest EMSGSIZE that a socket was told, nil if none was.
	Refused *event.Refusal
	// Facts is what the namespace believes of it, nil until asked.
	Facts *event.Path
	// Probe is what the newest active probe of it found, nil where there was none.
	Probe *event.PathProbe
	// Probing is when one was begun that has not ended, else 0.
	Probing event.Time
	// Stalls are its connections whose first segment times out, oldest first.
	Stalls *Table[Tuple, *Stall]

	seen  *Table[Tuple, event.Connection]
	swept bool
}

// Sign is something that was noticed about a path.
type Sign struct {
	At event.Time
	// What says it in words, "" where there is none.
	What string
}

// Passage is a packet that got through.
type Passage struct {
	Size uint32
	At   event.Time
}

// Told is what ICMP has told about a path.
type Told struct {
	// First and Last are when it was told; the events of a flood are not all seen.
	First, Last event.Time
	event.TooBig
}

// Killed is what a firewall of this namespace did to ICMP about a path.
type Killed struct {
	First, Last event.Time
	// Count is how many it dropped, as far as they were counted for this path.
	Count uint64
	event.Drop
}

// Paths are the paths that something was seen of. Bounded; not safe for concurrent
// use.
type Paths struct {
	paths *Table[PathKey, *Path]
	holes *Table[holeKey, *Hole]
	drops *Counts[killKey]
}

// NewPaths gives an empty table.
func NewPaths() *Paths {
	return &Paths{
		paths: NewTable[PathKey, *Path](maxPaths),
		holes: NewTable[holeKey, *Hole](maxPaths),
		drops: NewCounts[killKey](maxPaths),
	}
}

// Path gives what is known of a path, nil where nothing is.
func (p *Paths) Path(key PathKey) *Path {
	known, _ := p.paths.Get(key)
	return known
}

// All walks the paths, least lately used first.
func (p *Paths) All(yield func(*Path) bool) { p.paths.All(yield) }

// Evicted counts what was pushed out of full tables.
func (p *Paths) Evicted() uint64 { return p.paths.Evicted() + p.holes.Evicted() }

// Take keeps what an event tells of a path; others pass by.
func (p *Paths) Take(e event.Event) {
	switch e := e.(type) {
	case *event.Retransmit:
		p.takeRetransmit(e)
	case *event.Connections:
		p.takeConnections(e)
	case *event.TooBig:
		p.takeTooBig(e)
	case *event.Drop:
		p.takeDrop(e)
	case *event.Refusal:
		p.takeRefusal(e)
	case *event.Path:
		kept := *e
		p.path(PathKey{e.Netns, e.Peer}, e.From).Facts = &kept
	case *event.PathProbe:
		p.path(PathKey{e.Netns, e.Peer}, e.From).takeProbe(e)
	}
}

func (p *Path) takeProbe(e *event.PathProbe) {
	if e.UnderWay {
		p.Probing = e.Time
		return
	}
	kept := *e
	p.Probe, p.Probing = &kept, 0
}

func (p *Paths) path(key PathKey, local netip.Addr) *Path {
	known, ok := p.paths.Get(key)
	if !ok {
		known = &Path{
			Key:    key,
			Local:  local,
			Stalls: NewTable[Tuple, *Stall](maxStalls),
			seen:   NewTable[Tuple, event.Connection](maxSeen),
		}
	}
	if !known.Local.IsValid() {
		known.Local = local
	}
	p.paths.Put(key, known)
	return known
}

func (p *Paths) takeTooBig(e *event.TooBig) {
	if !e.Received() || !e.Inner.Destination.IsValid() {
		return
	}
	path := p.path(PathKey{e.Netns, e.Inner.Destination.Addr()}, e.Inner.Source.Addr())
	first := path.Told.First
	if first == 0 {
		first = e.Time
	}
	path.Told = Told{First: first, Last: e.Time, TooBig: *e}
}

// killKey is the kernel's key of a drop counter, with the path that the dropped error
// was about.
type killKey struct {
	path                PathKey
	source, destination netip.Addr
	ifindex             uint32
}

// takeDrop keeps a firewall's drop of an ICMP "too big". Its counter is one for each
// pair of the error's own addresses, so it may hold errors about other paths, too:
// only what was added between two samples about this path is counted.
func (p *Paths) takeDrop(e *event.Drop) {
	if e.Reason != "NETFILTER_DROP" || !e.Inner.Destination.IsValid() || !TellsTooBig(&e.Packet) {
		return
	}
	key := PathKey{e.Netns, e.Inner.Destination.Addr()}
	path := p.path(key, e.Inner.Source.Addr())
	fresh := p.drops.Advance(killKey{key, e.Packet.Source.Addr(), e.Packet.Destination.Addr(), e.Ifindex}, e.Count, e.Time)
	first := path.Killed.First
	if first == 0 {
		first = e.Time
	}
	path.Killed = Killed{First: first, Last: e.Time, Count: path.Killed.Count + fresh, Drop: *e}
}

// TellsTooBig tells whether a packet is an ICMP "fragmentation needed" or an ICMPv6
// "packet too big".
func TellsTooBig(p *event.Packet) bool {
	const unreachable, fragmentation, tooBig6 = 3, 4, 2
	switch p.Protocol {
	case event.ProtocolICMP:
		return p.ICMPType == unreachable && p.ICMPCode == fragmentation
	case event.ProtocolICMPv6:
		return p.ICMPType == tooBig6
	default:
		return false
	}
}

func (p *Paths) takeRefusal(e *event.Refusal) {
	if !e.Peer.IsValid() {
		return
	}
	if path := p.Path(PathKey{e.Netns, e.Peer.Addr()}); path != nil {
		kept := *e
		path.Refused = &kept
	}
}
