// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"math"
	"net/netip"
)

// NewDocument gives a record in the shape of its line, at full length. The document
// shares the record's lists, which it never changes.
func NewDocument(r *Record) *Document {
	d := new(Document)
	d.Timestamp = StampOf(r.Time)
	d.Message = r.Message
	d.ECS.Version = ecsVersion
	d.Log.Level = logLevel(r)
	d.fillEvent(r)
	d.fillRule(r)
	d.fillFlow(r)
	d.fillObserver(r)
	d.fillOwner(r)
	d.fillDNS(r.DNS)
	d.Error.Code = r.ErrorCode
	d.Trapbpf = newDetail(r)
	return d
}

func (d *Document) fillEvent(r *Record) {
	e := &d.Event
	e.Kind = kind(r)
	e.Action = r.Action
	e.Category = []string{"network"}
	e.Type = []string{eventType(r.Action)}
	e.ID = r.ID
	e.Sequence = r.Sequence
	e.Code = r.Cause
	e.Module, e.Provider, e.Dataset = "trapbpf", "trapbpf", dataset
	e.Severity, e.RiskScore = r.Severity, r.Severity
	e.Start, e.End = StampOf(r.First), StampOf(r.Last)
	e.Duration = max(0, r.Last.Sub(r.First))
	e.Reason = r.Reason
	e.Reference = RuleOf(r.Trap).Reference(r.Cause)
}

func kind(r *Record) string {
	if r.Alert {
		return "alert"
	}
	return "event"
}

func eventType(a Action) string {
	switch a {
	case Opened:
		return "start"
	case Closed:
		return "end"
	default:
		return "info"
	}
}

func logLevel(r *Record) string {
	switch {
	case r.Action != Opened:
		return "info"
	case r.Severity >= High:
		return "error"
	default:
		return "warn"
	}
}

func (d *Document) fillRule(r *Record) {
	rule := RuleOf(r.Trap)
	d.Rule.ID = r.Trap
	d.Rule.Name = rule.Name
	d.Rule.Description = rule.Description
	d.Rule.Version = rule.Version
}

func (d *Document) fillFlow(r *Record) {
	f := r.Flow
	d.Source.IP, d.Destination.IP = f.Source.Unmap(), f.Destination.Unmap()
	if !f.icmp() {
		d.Source.Port, d.Destination.Port = f.SourcePort, f.DestinationPort
	}
	d.Network.Transport = f.Transport
	d.Network.Type = family(f.Source, f.Destination)
	d.Network.Direction = f.Direction
	d.Network.CommunityID = f.communityID()
}

func family(addrs ...netip.Addr) string {
	for _, addr := range addrs {
		switch {
		case addr.Is4() || addr.Is4In6():
			return "ipv4"
		case addr.Is6():
			return "ipv6"
		}
	}
	return ""
}

func (d *Document) fillObserver(r *Record) {
	d.Observer.Ingress.Interface.Name = r.Ingress
	d.Observer.Egress.Interface.Name = r.Egress
	d.Observer.Product = "trapbpf"
	d.Observer.Type = "sensor"
	d.Observer.Version = r.Host.AgentVersion
	d.Host.Name = r.Host.Name
	d.Host.Architecture = r.Host.Architecture
	d.Host.OS.Type = "linux"
	d.Host.OS.Kernel = r.Host.Kernel
}

func (d *Document) fillOwner(r *Record) {
	d.Process.PID = r.Process.PID
	d.Process.Name = r.Process.Name
	d.Process.Executable = r.Process.Executable
	d.Container.ID = r.Process.ContainerID
	d.Container.Name = r.Process.Pod.Container
	d.Container.Runtime = r.Process.Runtime
	if pod := r.Process.Pod; pod != (Pod{}) {
		d.Orchestrator.Type = "kubernetes"
		d.Orchestrator.Namespace = pod.Namespace
		d.Orchestrator.Resource.Type = "pod"
		d.Orchestrator.Resource.Name = pod.Name
		d.Orchestrator.Resource.ID = pod.UID
	}
}

func (d *Document) fillDNS(dns *DNS) {
	if dns == nil {
		return
	}
	d.DNS.Question.Name = dns.Question
	d.DNS.Question.Type = dns.Type
	d.DNS.ResponseCode = dns.ResponseCode
	for _, addr := range dns.ResolvedIP {
		d.DNS.ResolvedIP = append(d.DNS.ResolvedIP, addr.Unmap().String())
	}
}

func newDetail(r *Record) Detail {
	t := Detail{
		Trap: r.Trap, Cause: r.Cause, Status: r.Status,
		Confidence: r.Confidence, ConfidenceWhy: r.ConfidenceWhy, Count: r.Count,
		Symptoms: r.Symptoms, Evidence: r.Evidence, Against: r.Against,
		Fix: shell(r.Fix), FixPersistent: shell(r.Persistent), Undo: shell(r.Undo), Verify: shell(r.Verify),
		MTU: clone(r.MTU), Route: clone(r.Route), DNS: clone(r.DNS), Ports: clone(r.Ports),
		Unit: r.Process.Unit, Lossy: r.Lossy,
	}
	t.Finding.ID = r.Finding.ID
	t.Netns.Inode, t.Netns.Name = r.Netns.Inode, r.Netns.Name
	t.leaveEmpty()
	t.roundNumbers()
	return t
}

// leaveEmpty leaves out the objects that would have no field.
func (t *Detail) leaveEmpty() {
	if t.MTU != nil && *t.MTU == (MTU{}) {
		t.MTU = nil
	}
	if t.DNS != nil && t.DNS.empty() {
		t.DNS = nil
	}
}

func shell(steps []Step) []string {
	var lines []string
	for _, step := range steps {
		lines = append(lines, step.Shell())
	}
	return lines
}

// clone copies what the document may shorten.
func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

func (t *Detail) roundNumbers() {
	if t.Route != nil {
		t.Route.DropsPerSecond = round(t.Route.DropsPerSecond)
	}
	if t.DNS != nil {
		t.DNS.QueriesPerLookup = round(t.DNS.QueriesPerLookup)
		t.DNS.WastedPerSecond = round(t.DNS.WastedPerSecond)
		t.DNS.LostMilliseconds = round(t.DNS.LostMilliseconds)
	}
	if p := t.Ports; p != nil {
		p.UsedPercent = round(p.UsedPercent)
		p.OpensPerSecond = round(p.OpensPerSecond)
		if p.SecondsLeft != nil {
			left := round(*p.SecondsLeft)
			p.SecondsLeft = &left
		}
	}
}

// round keeps three digits after the point: more is noise in a rate or a forecast.
// JSON has no infinities: a rate that divided by nothing is told as 0.
func round(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return math.Round(x*1000) / 1000
}
