// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"net/netip"
	"slices"

	"github.com/trapbpf/trapbpf/internal/firewall"
	"github.com/trapbpf/trapbpf/internal/host"
)

// reverse is mended where the kernel would let the same packet in.
func (j *job) reverse() (Verdict, error) {
	if r := j.Finding.Route; r != nil && r.Reason == "NETFILTER_DROP" {
		return j.rule()
	}
	flow := j.Finding.Flow
	check, there, err := j.arrive(flow.Source, flow.Destination, j.Finding.Ingress)
	switch {
	case err != nil:
		return Unverified, err
	case !there:
		j.says("the interface %s is gone", j.Finding.Ingress)
		return Mended, nil
	case check.Passes:
		j.says("a packet from %s to %s that comes in by %s gets in now: the kernel says so", flow.Source, flow.Destination, check.Iface)
		return Mended, nil
	default:
		j.says("a packet from %s to %s that comes in by %s is dropped: %s", flow.Source, flow.Destination, check.Iface, check.Error)
		return There, nil
	}
}

// arrive asks the kernel about a packet that comes in by an interface; false where there
// is no such interface.
func (j *job) arrive(from, to netip.Addr, iface string) (check host.ReverseCheck, there bool, err error) {
	survey, err := j.Host.Survey(j.at)
	if err != nil {
		return check, false, err
	}
	at := slices.IndexFunc(survey.Devices, func(d host.Device) bool { return d.Name == iface })
	if at < 0 {
		return check, false, nil
	}
	d := &survey.Devices[at]
	j.says("effective rp_filter on %s is %d = max(all %d, %s %d)", iface, d.Effective, survey.Settings.RPFilterAll, iface, d.RPFilter)
	err = j.Host.Visit(j.at, func() error {
		check = host.AskReverse(from, to, d.Index, host.Marks())
		check.Iface = iface
		return nil
	})
	return check, true, err
}

// rule is mended where no firewall rule asks for the way back, or it leads by the
// interface that the packets come in by.
func (j *job) rule() (verdict Verdict, err error) {
	flow, in := j.Finding.Flow, j.Finding.Ingress
	verdict = There
	err = j.Host.Visit(j.at, func() error {
		rules, err := firewall.Inspect()
		if err == nil && len(rules.Reverse(flow.Source.Is6())) == 0 {
			j.says("no firewall rule asks for the way back to a source any more")
			verdict = Mended
			return nil
		}
		back := host.Inquire(host.Inquiry{To: flow.Source, From: flow.Destination})
		if back.Error != "" { // a router's: the address is not its own
			back = host.Inquire(host.Inquiry{To: flow.Source})
		}
		switch {
		case back.Error != "":
			j.says("there is no way back to %s: %s", flow.Source, back.Error)
		case back.Taken.Iface == in:
			j.says("the way back to %s leaves by %s, where its packets come in", flow.Source, in)
			verdict = Mended
		default:
			j.says("the way back to %s leaves by %s, its packets come in by %s, and a firewall rule wants the same", flow.Source, back.Taken.Iface, in)
		}
		return nil
	})
	return verdict, err
}

// martian is mended where the kernel accepts the source on purpose. Whether anybody still
// sends such packets shows in traffic alone.
func (j *job) martian() (Verdict, error) {
	flow := j.Finding.Flow
	check, there, err := j.arrive(flow.Source, flow.Destination, j.Finding.Ingress)
	switch {
	case err != nil:
		return Unverified, err
	case !there:
		j.says("the interface %s is gone", j.Finding.Ingress)
		return Mended, nil
	case check.Passes:
		j.says("a packet from %s that comes in by %s is accepted now", flow.Source, j.Finding.Ingress)
		return Mended, nil
	}
	if step, ok := j.inForce(); ok {
		j.says("in force: %s", step.Shell())
		return Mended, nil
	}
	j.says("the kernel drops a packet from %s that comes in by %s: %s", flow.Source, j.Finding.Ingress, check.Error)
	j.says("whether anybody still sends them shows in traffic alone: see `trapbpf findings`")
	return Unverified, nil
}

// half is mended where the rules forgive what conntrack has missed, or both directions
// come by.
func (j *job) half() (verdict Verdict, err error) {
	if step, ok := j.inForce(); ok {
		j.says("in force: %s", step.Shell())
		return Mended, nil
	}
	flow := j.Finding.Flow
	hooks := []firewall.Hook{firewall.Prerouting, firewall.Input, firewall.Forward}
	if flow.Direction == "egress" {
		hooks = []firewall.Hook{firewall.Output, firewall.Postrouting}
	}
	err = j.Host.Visit(j.at, func() error {
		rules, err := firewall.Inspect()
		if err != nil {
			j.says("not all firewall rules could be read: %v", err)
			verdict = Unverified
			return nil
		}
		fate := rules.Through(firewall.OneSided, flow.Source.Is6(), hooks...)
		switch {
		case fate.Certain():
			j.says("a segment of a connection whose other half goes elsewhere is dropped by %s %s %s: %s", fate.At.Family, fate.At.Table, fate.At.Chain, fate.At.Rule)
			verdict = There
		case fate.Drops:
			j.says("whether a segment of a connection whose other half goes elsewhere passes depends on what %s %s %s asks of it", fate.At.Family, fate.At.Table, fate.At.Chain)
			verdict = Unverified
		default:
			j.says("no firewall rule drops segments of connections whose other half goes elsewhere")
			verdict = Mended
		}
		return nil
	})
	return verdict, err
}
