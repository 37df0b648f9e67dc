// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// checkLinks looks for places where a frame that one side may send is larger than the
// other takes. Bridges and cables drop such frames without an ICMP error: the sender
// never learns.
func checkLinks(s *scene) (wrong []Result, looked []string) {
	looked = append(looked, fmt.Sprintf("%d interfaces", len(s.Devices)))
	for i := range s.Devices {
		d := &s.Devices[i]
		if !d.Up || d.Type == "loopback" {
			continue
		}
		if len(looked) < told {
			looked = append(looked, fmt.Sprintf("%s (%s): MTU %d", d.Name, d.Type, d.MTU))
		}
		if r, ok := s.unequalCable(d); ok {
			wrong = append(wrong, r)
		}
		if r, ok := s.unequalPorts(d); ok {
			wrong = append(wrong, r)
		}
	}
	return append(wrong, s.oversizedRoutes()...), looked
}

// unequalCable compares a veth device with its other end, wherever that is.
func (s *scene) unequalCable(d *host.Device) (Result, bool) {
	end, ok := s.peers[d.Index]
	if !ok || end.MTU == d.MTU {
		return Result{}, false
	}
	low := min(d.MTU, end.MTU)
	r := Result{
		Level: Risk, Subject: d.Name,
		Message: fmt.Sprintf("the ends of the cable %s differ in MTU: %d here, %d there", d.Name, d.MTU, end.MTU),
		Evidence: []string{
			fmt.Sprintf("%s has MTU %d; its other end is %s in namespace %s, with MTU %d", d.Name, d.MTU, end.Name, label(end.Netns), end.MTU),
			fmt.Sprintf("a frame of more than %d bytes is dropped by the smaller end, without an ICMP error", low),
		},
		Verify: []finding.Step{s.place.Look("must show the same mtu as the other end", "ip link show dev %s", d.Name)},
	}
	if d.MTU > low {
		s.fixMTU(d, low, &r)
	} else {
		other := finding.Enter{Name: end.Netns.Name, Path: end.Netns.Path}
		r.Fix = append(r.Fix, finding.Step{Op: finding.LinkOp{Dev: end.Name, MTU: low}, Enter: other, Does: "makes the other end as small"})
		r.Undo = append(r.Undo, finding.Step{Op: finding.LinkOp{Dev: end.Name, MTU: end.MTU}, Enter: other, Does: "as it was"})
	}
	return r, true
}

func (s *scene) fixMTU(d *host.Device, mtu uint32, r *Result) {
	r.Fix = append(r.Fix, s.place.Do(finding.LinkOp{Dev: d.Name, MTU: mtu}, fmt.Sprintf("nothing larger than %d bytes is sent by %s any more", mtu, d.Name), ""))
	r.Undo = append(r.Undo, s.place.Do(finding.LinkOp{Dev: d.Name, MTU: d.MTU}, "as it was", ""))
	r.Persistent = append(r.Persistent, s.keepMTU(d, mtu)...)
}

// unequalPorts compares a bridge's ports, and the bridge with them.
func (s *scene) unequalPorts(bridge *host.Device) (Result, bool) {
	if bridge.Type != "bridge" {
		return Result{}, false
	}
	var ports []*host.Device
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Master == bridge.Index && d.Up {
			ports = append(ports, d)
		}
	}
	if len(ports) == 0 {
		return Result{}, false
	}
	bySize := func(a, b *host.Device) int { return int(a.MTU) - int(b.MTU) }
	least, most := slices.MinFunc(ports, bySize), slices.MaxFunc(ports, bySize)
	if least.MTU == most.MTU && bridge.MTU <= least.MTU {
		return Result{}, false
	}
	r := Result{
		Level: Risk, Subject: bridge.Name,
		Message: fmt.Sprintf("the bridge %s joins links of different MTU", bridge.Name),
		Evidence: []string{
			fmt.Sprintf("%s has MTU %d; its port %s has %d, its port %s has %d", bridge.Name, bridge.MTU, least.Name, least.MTU, most.Name, most.MTU),
			fmt.Sprintf("a bridge drops a frame that is too large for the port it leaves by, %d bytes for %s, without an ICMP error", least.MTU, least.Name),
		},
		Verify: []finding.Step{s.place.Look("all must show the same mtu", "ip link show master %s", bridge.Name)},
	}
	for _, d := range append(ports, bridge) {
		if d.MTU > least.MTU && len(r.Fix) < told {
			s.fixMTU(d, least.MTU, &r)
		}
	}
	return r, true
}

// oversizedRoutes looks for routes that let packets be larger than their link takes:
// the kernel believes the route (ipv4_mtu).
func (s *scene) oversizedRoutes() []Result {
	var wrong []Result
	for _, one := range s.Routes.Sized {
		d := s.Device(one.Index)
		if d == nil || one.Route.MTU <= d.MTU {
			continue
		}
		r := Result{
			Level: Fault, Subject: one.Route.Text,
			Message:  fmt.Sprintf("a route allows packets of %d bytes, its link %s takes %d", one.Route.MTU, d.Name, d.MTU),
			Evidence: []string{one.Route.Text, fmt.Sprintf("%s has MTU %d", d.Name, d.MTU)},
			Verify:   []finding.Step{s.place.Look("must show no mtu above the link's", "ip route show dev %s", d.Name)},
		}
		s.fixRoute(one, d.MTU, &r)
		wrong = append(wrong, r)
	}
	return wrong
}

// fixRoute replaces a route by itself with another MTU, without a lock.
func (s *scene) fixRoute(one host.SizedRoute, mtu uint32, r *Result) {
	const main = 254
	op := finding.RouteOp{
		Verb: "replace", Destination: one.Route.Destination, Gateway: one.Route.Gateway, Dev: one.Route.Iface,
		Source: one.Route.Source, Table: one.Route.Table, Metric: one.Route.Metric, MTU: mtu, IPv6: one.Route.IPv6,
	}
	if op.Table == main {
		op.Table = 0
	}
	undo := op
	undo.MTU = one.Route.MTU
	r.Fix = append(r.Fix, s.place.Do(op, fmt.Sprintf("packets by this route get at most %d bytes", mtu), ""))
	r.Undo = append(r.Undo, s.place.Do(undo, "as it was", ""))
	if one.Route.Destination == (netip.Prefix{}) {
		return
	}
	r.Persistent = append(r.Persistent, s.place.KeepRoute(op)...)
}
