// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package route asks by which way packets to a target leave and by which way its
// answers may come in: the kernel's own lookups, not a computation of them, and where
// that is wanted the hops of both directions.
package route

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/trapbpf/trapbpf/internal/host"
)

// ErrQuestion is wrapped by errors about a question that makes no sense here: an
// interface that is not there, addresses of two families.
var ErrQuestion = errors.New("no such question")

// Options are the question.
type Options struct {
	Host *host.Host
	At   host.Target
	// Target is the far end, From the address that talks to it: one of the namespace's
	// own, or of a host behind it; invalid for the one that the kernel would take.
	Target, From netip.Addr
	// Iif is the interface by which packets from From come in, for a host that forwards
	// them; "" for the namespace's own.
	Iif string
	// Active asks for the hops, by packets.
	Active bool
}

// Report is the answer.
type Report struct {
	Target netip.Addr `json:"target"`
	From   netip.Addr `json:"from,omitzero"`
	Iif    string     `json:"iif,omitempty"`
	// Forward is the way to Target from From, Reverse the way of its answers to From,
	// come in by the interface that Forward leaves by.
	Forward Way `json:"forward"`
	Reverse Way `json:"reverse"`
	// Arrivals are the verdicts on a packet from Target to From, by each interface.
	Arrivals []Arrival `json:"arrivals,omitempty"`
	// Rules are the policy rules that lead to the tables used.
	Rules []string `json:"rules,omitempty"`
	// Hops are what was met on the way, side by side; nil unless asked for.
	Hops *Hops `json:"hops,omitempty"`
}

// Way is one direction as the kernel would have it.
type Way struct {
	// Route is the table's entry, Iface and Gateway the next hop taken.
	Route   string     `json:"route,omitempty"`
	Table   uint32     `json:"table,omitempty"`
	Kind    string     `json:"kind,omitempty"`
	Iface   string     `json:"iface,omitempty"`
	Gateway netip.Addr `json:"gateway,omitzero"`
	MTU     uint32     `json:"mtu,omitempty"`
	Error   string     `json:"error,omitempty"`
}

// Verdict says whether a packet would get in.
type Verdict string

// The verdicts. Unchecked is IPv6's: it has no rp_filter, though a firewall may look.
const (
	Passes    Verdict = "passes"
	Dropped   Verdict = "dropped"
	Unchecked Verdict = "unchecked"
)

// Arrival is the verdict on a packet from the target that comes in by an interface.
type Arrival struct {
	Iface    string  `json:"iface"`
	RPFilter int     `json:"rp_filter"`
	Verdict  Verdict `json:"verdict"`
	// Mark is the fwmark with which alone it passes.
	Mark uint32 `json:"mark,omitempty"`
	// Expected tells that the way back goes by this interface.
	Expected bool   `json:"expected"`
	Error    string `json:"error,omitempty"`
}

// Ask answers the question. Errors wrap host.ErrForbidden, host.ErrGone or ErrQuestion,
// or the context's.
func Ask(ctx context.Context, o Options) (*Report, error) {
	if o.From.IsValid() && o.From.Is4() != o.Target.Is4() {
		return nil, fmt.Errorf("%w: %s and %s are of two families", ErrQuestion, o.From, o.Target)
	}
	survey, err := o.Host.Survey(o.At)
	if err != nil {
		return nil, err
	}
	q := question{Options: o, survey: survey}
	if o.Iif != "" {
		if q.in = q.device(o.Iif); q.in == nil {
			return nil, fmt.Errorf("%w: there is no interface %q", ErrQuestion, o.Iif)
		}
	}
	report := &Report{Target: o.Target, From: o.From, Iif: o.Iif}
	err = o.Host.Visit(o.At, func() error {
		q.ask(report)
		if o.Active {
			report.Hops, err = discover(ctx, report)
			return err
		}
		return nil
	})
	return report, err
}

// question is an Options with what is known of the namespace.
type question struct {
	Options
	survey *host.Survey
	in     *host.Device
}

func (q *question) device(name string) *host.Device {
	for i := range q.survey.Devices {
		if q.survey.Devices[i].Name == name {
			return &q.survey.Devices[i]
		}
	}
	return nil
}

// own gives the device that has an address, nil where it is somebody else's.
func (q *question) own(addr netip.Addr) *host.Device {
	for i := range q.survey.Devices {
		for _, p := range q.survey.Devices[i].Prefixes {
			if p.Addr() == addr {
				return &q.survey.Devices[i]
			}
		}
	}
	return nil
}

// vrf gives the index of the VRF that a device is in, 0 for none: its addresses are
// routed by the VRF's table.
func (q *question) vrf(d *host.Device) uint32 {
	if d == nil || d.Master == 0 {
		return 0
	}
	if master := q.survey.Device(d.Master); master != nil && master.Type == "vrf" {
		return master.Index
	}
	return 0
}

// ask runs inside the namespace.
func (q *question) ask(r *Report) {
	forward := host.Inquiry{To: q.Target, From: q.From}
	switch {
	case q.in != nil && q.own(q.From) == nil:
		forward.In = q.in.Index
	default:
		forward.Out = q.vrf(q.own(q.From))
	}
	there := host.Inquire(forward)
	r.Forward = wayOf(there)
	if !r.From.IsValid() {
		r.From = there.Taken.Source
	}
	if r.From.IsValid() {
		r.Reverse = q.reverse(r)
		r.Arrivals = q.arrivals(r)
	}
	r.Rules = q.rules(r)
}

// reverse asks for the way of an answer that comes in where the question left.
func (q *question) reverse(r *Report) Way {
	back := host.Inquiry{To: r.From, From: r.Target}
	if d := q.device(r.Forward.Iface); d != nil && d.Type != "loopback" {
		back.In = d.Index
	}
	if back.In == 0 {
		back.From = netip.Addr{} // the kernel answers for a foreign source on arrival alone
	}
	return wayOf(host.Inquire(back))
}

// arrivals asks about each interface that the target's packets might come in by.
func (q *question) arrivals(r *Report) []Arrival {
	marks := host.Marks()
	var list []Arrival
	for i := range q.survey.Devices {
		d := &q.survey.Devices[i]
		master := q.survey.Device(d.Master)
		enslaved := d.Master != 0 && (master == nil || master.Type != "vrf")
		if !d.Up || d.Type == "loopback" || d.Type == "vrf" || enslaved {
			continue
		}
		check := host.AskReverse(r.Target, r.From, d.Index, marks)
		one := Arrival{Iface: d.Name, RPFilter: d.Effective, Mark: check.Mark, Error: check.Error,
			Expected: d.Name == r.Forward.Iface, Verdict: Dropped}
		switch {
		case check.Passes && r.Target.Is6():
			one.Verdict = Unchecked
		case check.Passes:
			one.Verdict = Passes
		}
		list = append(list, one)
	}
	return list
}

// rules picks the policy rules that name a table which was used.
func (q *question) rules(r *Report) []string {
	used := []uint32{r.Forward.Table, r.Reverse.Table}
	var list []string
	for _, rule := range q.survey.Rules {
		six := strings.Contains(rule, "# IPv6") || strings.Contains(rule, ":") && strings.Count(rule, ":") > 1
		for _, table := range used {
			word := fmt.Sprintf(" lookup %d", table)
			named := strings.HasSuffix(strings.TrimSuffix(rule, " # IPv6"), word) || strings.Contains(rule, word+" ")
			if (named || strings.Contains(rule, "l3mdev")) && six == r.Target.Is6() {
				list = append(list, rule)
				break
			}
		}
	}
	return list
}

func wayOf(p host.Passage) Way {
	if p.Error != "" {
		return Way{Error: p.Error}
	}
	return Way{Route: p.Entry.Text, Table: p.Taken.Table, Kind: p.Kind, Iface: p.Taken.Iface,
		Gateway: p.Taken.Gateway, MTU: p.Taken.MTU}
}
