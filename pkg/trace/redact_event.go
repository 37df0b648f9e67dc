// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"slices"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// event gives a redacted copy; e stays as it is. A kind without addresses and
// names is returned itself.
func (r *Redactor) event(e event.Event) event.Event {
	switch e := e.(type) {
	case *event.Drop:
		return r.drop(*e)
	case *event.PortFailure:
		kept := *e
		kept.Source, kept.Destination = r.addr(e.Source), r.addrPort(e.Destination)
		kept.Owner.Comm = r.name("process", e.Owner.Comm)
		return &kept
	case *event.PortPressure:
		kept := *e
		kept.Source, kept.Destination = r.addr(e.Source), r.addrPort(e.Destination)
		kept.Owner.Comm = r.name("process", e.Owner.Comm)
		return &kept
	case *event.PortUse:
		return r.portUse(*e)
	case *event.Routing:
		return r.routing(*e)
	case *event.RouteBack:
		kept := *e
		kept.To, kept.From, kept.Route = r.addr(e.To), r.addr(e.From), r.route(e.Route)
		return &kept
	case *event.DNSQuery, *event.DNSAnswer, *event.Dial, *event.Resolver:
		return r.dns(e)
	case *event.TooBig:
		kept := *e
		kept.Packet, kept.Inner = r.packet(e.Packet), r.packet(e.Inner)
		return &kept
	case *event.Path:
		return r.path(*e)
	case *event.Firewall:
		return r.firewall(*e)
	case *event.Uplinks:
		return r.uplinks(*e)
	case *event.PathProbe:
		return r.probe(*e)
	default:
		return r.owned(e)
	}
}

// owned redacts the events of sockets that tell their owner.
func (r *Redactor) owned(e event.Event) event.Event {
	switch e := e.(type) {
	case *event.Retransmit:
		kept := *e
		kept.Connection = r.connection(e.Connection)
		kept.Owner.Comm = r.name("process", e.Owner.Comm)
		return &kept
	case *event.Connections:
		kept := *e
		kept.Peer, kept.Rows = r.addr(e.Peer), slices.Clone(e.Rows)
		for i := range kept.Rows {
			kept.Rows[i] = r.connection(kept.Rows[i])
		}
		return &kept
	case *event.Refusal:
		kept := *e
		kept.Local, kept.Peer = r.addrPort(e.Local), r.addrPort(e.Peer)
		kept.Owner.Comm = r.name("process", e.Owner.Comm)
		return &kept
	default:
		return r.named(e)
	}
}

func (r *Redactor) connection(c event.Connection) event.Connection {
	c.Local, c.Peer = r.addrPort(c.Local), r.addrPort(c.Peer)
	return c
}

func (r *Redactor) firewall(e event.Firewall) event.Event {
	e.From, e.To, e.Tracked = r.addr(e.From), r.addr(e.To), slices.Clone(e.Tracked)
	for i := range e.Tracked {
		row := &e.Tracked[i]
		row.Source, row.Destination = r.addrPort(row.Source), r.addrPort(row.Destination)
	}
	return &e
}

func (r *Redactor) uplinks(e event.Uplinks) event.Event {
	e.Ways, e.Handshakes = slices.Clone(e.Ways), slices.Clone(e.Handshakes)
	for i := range e.Ways {
		way := &e.Ways[i]
		way.Gateway, way.Text = r.addr(way.Gateway), r.text(way.Text)
	}
	for i := range e.Handshakes {
		one := &e.Handshakes[i]
		one.Local, one.Peer = r.addrPort(one.Local), r.addrPort(one.Peer)
	}
	return &e
}

func (r *Redactor) path(e event.Path) event.Event {
	e.Peer, e.From, e.Route = r.addr(e.Peer), r.addr(e.From), r.route(e.Route)
	e.Link.Remote, e.Under.Remote = r.addr(e.Link.Remote), r.addr(e.Under.Remote)
	return &e
}

func (r *Redactor) pod(p event.Pod) event.Pod {
	return event.Pod{
		UID: r.name("pod", p.UID), Namespace: r.name("namespace", p.Namespace),
		Name: r.name("pod", p.Name), Container: r.name("container", p.Container),
	}
}

func (r *Redactor) probe(e event.PathProbe) event.Event {
	e.Peer, e.From, e.ToldBy = r.addr(e.Peer), r.addr(e.From), r.addr(e.ToldBy)
	e.LastHopAddr, e.NextHopAddr = r.addr(e.LastHopAddr), r.addr(e.NextHopAddr)
	return &e
}

func (r *Redactor) named(e event.Event) event.Event {
	switch e := e.(type) {
	case *event.Process:
		kept := *e
		kept.Name = r.name("process", e.Name)
		kept.Executable = r.name("executable", e.Executable)
		kept.CgroupPath = r.name("cgroup", e.CgroupPath)
		kept.Unit = r.name("unit", e.Unit)
		kept.ContainerID, kept.Pod = r.name("container", e.ContainerID), r.pod(e.Pod)
		return &kept
	case *event.Namespace:
		kept := *e
		kept.Name, kept.Path = r.name("netns", e.Name), r.name("path", e.Path)
		kept.ContainerID, kept.Pod = r.name("container", e.ContainerID), r.pod(e.Pod)
		return &kept
	case *event.Host:
		kept := *e
		kept.Name = r.name("host", e.Name)
		return &kept
	case *event.Kept:
		kept := *e
		kept.Subject, kept.Finding = r.name("subject", e.Subject), "" // it quotes addresses and names anywhere
		return &kept
	default:
		return e
	}
}

func (r *Redactor) drop(e event.Drop) event.Event {
	e.Packet, e.Inner = r.packet(e.Packet), r.packet(e.Inner)
	e.Reverse.Source, e.Reverse.Destination = r.addr(e.Reverse.Source), r.addr(e.Reverse.Destination)
	e.SourceMAC = r.mac(e.SourceMAC)
	return &e
}

func (r *Redactor) packet(p event.Packet) event.Packet {
	p.Source, p.Destination = r.addrPort(p.Source), r.addrPort(p.Destination)
	return p
}

func (r *Redactor) portUse(e event.PortUse) event.Event {
	e.Rows, e.Sources = slices.Clone(e.Rows), slices.Clone(e.Sources)
	for i := range e.Rows {
		e.Rows[i].Source = r.addr(e.Rows[i].Source)
		e.Rows[i].Destination = r.addrPort(e.Rows[i].Destination)
	}
	for i := range e.Sources {
		e.Sources[i].Source = r.addr(e.Sources[i].Source)
	}
	return &e
}

func (r *Redactor) routing(e event.Routing) event.Event {
	e.Interfaces, e.Defaults = slices.Clone(e.Interfaces), slices.Clone(e.Defaults)
	for i := range e.Interfaces {
		e.Interfaces[i].Prefixes = slices.Clone(e.Interfaces[i].Prefixes)
		for j, p := range e.Interfaces[i].Prefixes {
			e.Interfaces[i].Prefixes[j] = r.prefix(p)
		}
	}
	for i := range e.Defaults {
		e.Defaults[i] = r.route(e.Defaults[i])
	}
	e.Rules = slices.Clone(e.Rules)
	for i := range e.Rules {
		e.Rules[i] = r.text(e.Rules[i])
	}
	return &e
}

func (r *Redactor) route(t event.Route) event.Route {
	t.Destination, t.Gateway, t.Source = r.prefix(t.Destination), r.addr(t.Gateway), r.addr(t.Source)
	t.Text = r.text(t.Text)
	return t
}
