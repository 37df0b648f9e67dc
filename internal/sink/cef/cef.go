// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package cef encodes records in ArcSight's Common Event Format, version 0: what
// `--output cef` gives.
//
// CEF has no lists and no nesting: a record's first fix and first verification go
// in whole, its evidence joined. Who needs all takes ECS or OCSF.
package cef

import (
	"strconv"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Encoder is a sink.Encoder. It writes no syslog header: that is the transport's.
type Encoder struct{}

// Append implements sink.Encoder.
func (Encoder) Append(dst []byte, r *finding.Record) ([]byte, error) {
	if r.Notice != nil {
		return appendNotice(dst, r), nil
	}
	doc := finding.NewDocument(r)
	e := extension{dst: appendHead(dst, r, string(r.Cause)), first: true}
	e.event(r, doc)
	e.flow(doc)
	e.owner(doc)
	e.custom(doc)
	e.workload(doc)
	return append(e.dst, '\n'), nil
}

// appendHead writes the header; class is its Device Event Class ID.
func appendHead(dst []byte, r *finding.Record, class string) []byte {
	dst = append(dst, "CEF:0"...)
	for _, field := range []string{"trapbpf", "trapbpf", r.Host.AgentVersion, class, r.Message, severity(r.Severity)} {
		dst = append(dst, '|')
		dst = appendHeader(dst, field)
	}
	return append(dst, '|')
}

// appendNotice writes what the agent tells of its own state: its action is the class, and
// cat is trapbpf.agent where a finding has its trap.
func appendNotice(dst []byte, r *finding.Record) []byte {
	n := r.Notice
	e := extension{dst: appendHead(dst, r, string(r.Action)), first: true}
	e.millis("rt", finding.StampOf(r.Time))
	e.text("act", string(r.Action))
	e.text("cat", "trapbpf.agent")
	e.text("externalId", r.ID)
	e.number("cnt", n.Count)
	e.text("reason", n.Why)
	e.text("msg", r.Message)
	e.text("dvchost", r.Host.Name)
	e.labelled("cs1", "sink", n.Sink)
	e.labelled("cs2", "hook", n.Hook)
	e.labelled("cs3", "trap", string(n.Trap))
	e.labelled("cs4", "kind", n.Kind)
	e.labelled("cs5", "stage", n.Stage)
	return append(e.dst, '\n')
}

// severity maps the four severities to CEF's 0-10, whose bands are 0-3 low, 4-6
// medium, 7-8 high, 9-10 very high.
func severity(s finding.Severity) string {
	switch {
	case s >= finding.Critical:
		return "10"
	case s >= finding.High:
		return "8"
	case s >= finding.Medium:
		return "5"
	default:
		return "3"
	}
}

func (e *extension) event(r *finding.Record, doc *finding.Document) {
	e.millis("rt", doc.Timestamp)
	e.millis("start", doc.Event.Start)
	e.millis("end", doc.Event.End)
	e.text("act", string(r.Action))
	e.text("cat", string(r.Trap))
	e.text("outcome", string(r.Status))
	e.text("externalId", r.Finding.ID)
	e.number("cnt", r.Count)
	e.text("reason", r.Reason)
	e.text("msg", r.Message)
	e.text("dvchost", r.Host.Name)
}

func (e *extension) flow(doc *finding.Document) {
	e.address("src", "c6a2", "Source IPv6 Address", doc.Source)
	e.number("spt", uint64(doc.Source.Port))
	e.address("dst", "c6a3", "Destination IPv6 Address", doc.Destination)
	e.number("dpt", uint64(doc.Destination.Port))
	e.text("proto", doc.Network.Transport)
	switch doc.Network.Direction {
	case "ingress":
		e.text("deviceDirection", "0")
	case "egress":
		e.text("deviceDirection", "1")
	}
	e.text("deviceInboundInterface", doc.Observer.Ingress.Interface.Name)
	e.text("deviceOutboundInterface", doc.Observer.Egress.Interface.Name)
}

// owner tells whose socket it is: the receiver's where the traffic comes in.
func (e *extension) owner(doc *finding.Document) {
	pid, name := "spid", "sproc"
	if doc.Network.Direction == "ingress" {
		pid, name = "dpid", "dproc"
	}
	e.number(pid, uint64(doc.Process.PID))
	e.text(name, doc.Process.Name)
	e.text("filePath", doc.Process.Executable)
	e.text("destinationDnsDomain", doc.DNS.Question.Name)
}

func (e *extension) custom(doc *finding.Document) {
	t := doc.Trapbpf
	e.labelled("cn1", "confidence", strconv.Itoa(t.Confidence))
	e.labelled("cn2", "sequence", strconv.FormatUint(doc.Event.Sequence, 10))
	e.labelled("cs1", "evidence", join(t.Evidence))
	e.labelled("cs2", "fix", firstWhole(t.Fix))
	e.labelled("cs3", "verify", firstWhole(t.Verify))
	e.labelled("cs4", "netns", netns(doc))
	e.labelled("cs5", "communityId", doc.Network.CommunityID)
	e.labelled("cs6", "errorCode", doc.Error.Code)
	e.labelled("flexString1", "reference", doc.Event.Reference)
	e.labelled("flexString2", "containerId", doc.Container.ID)
}

// workload tells what runs the socket's owner. CEF has no keys for it; those of a vendor's
// own begin with its name ("Custom Dictionary Extensions" of the CEF standard).
func (e *extension) workload(doc *finding.Document) {
	e.text("trapbpfPodNamespace", doc.Orchestrator.Namespace)
	e.text("trapbpfPodName", doc.Orchestrator.Resource.Name)
	e.text("trapbpfPodUid", doc.Orchestrator.Resource.ID)
	e.text("trapbpfContainerName", doc.Container.Name)
	e.text("trapbpfUnit", doc.Trapbpf.Unit)
}

func netns(doc *finding.Document) string {
	n := doc.Trapbpf.Netns
	switch {
	case n.Name != "":
		return n.Name
	case n.Inode != 0:
		return strconv.FormatUint(uint64(n.Inode), 10)
	default:
		return ""
	}
}
