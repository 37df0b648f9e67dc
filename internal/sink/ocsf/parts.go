// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ocsf

import (
	"fmt"
	"path"
	"strconv"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func newMetadata(doc *finding.Document) metadata {
	return metadata{
		Version: schemaVersion, UID: doc.Event.ID, Sequence: doc.Event.Sequence,
		EventCode: string(doc.Event.Code), LogName: doc.Event.Dataset, LogLevel: doc.Log.Level,
		Product: product{Name: "trapbpf", VendorName: "trapbpf", Version: doc.Observer.Version},
	}
}

// newFindingInfo leaves out when the finding was created except where this record
// creates it: a later one does not know.
func newFindingInfo(doc *finding.Document) findingInfo {
	info := findingInfo{
		UID: doc.Trapbpf.Finding.ID, Title: doc.Message, Desc: doc.Rule.Description,
		Types: []string{string(doc.Trapbpf.Cause)}, DataSources: []string{"eBPF"},
		ModifiedTime:  millis(doc.Timestamp),
		FirstSeenTime: millis(doc.Event.Start), LastSeenTime: millis(doc.Event.End),
		SrcURL: doc.Event.Reference,
		Analytic: analytic{
			UID: string(doc.Rule.ID), Name: doc.Rule.Name, Desc: doc.Rule.Description,
			TypeID: 1, Type: "Rule", Version: doc.Rule.Version,
		},
	}
	if doc.Event.Action == finding.Opened {
		info.CreatedTime = info.ModifiedTime
	}
	return info
}

// newEvidences gives one artifact: the flow, the socket's owner and the name asked
// belong together. It gives none where nothing of them is known.
func newEvidences(doc *finding.Document) []evidence {
	e := evidence{
		SrcEndpoint:    newEndpoint(doc.Source),
		DstEndpoint:    newEndpoint(doc.Destination),
		ConnectionInfo: newConnection(doc),
		Process:        newProcess(doc),
		Container:      newContainer(doc),
		Query:          query{Hostname: doc.DNS.Question.Name, Type: doc.DNS.Question.Type},
	}
	if e.Query.Hostname == "" {
		e.Query = query{}
	}
	e.addInterfaces(doc)
	if e == (evidence{}) {
		return nil
	}
	return []evidence{e}
}

// addInterfaces puts the interface beside the endpoint that it leads to: packets
// from the source came in by the one, the kernel sends to it by the other.
func (e *evidence) addInterfaces(doc *finding.Document) {
	if doc.Network.Direction == "egress" {
		e.DstEndpoint.InterfaceName = doc.Observer.Egress.Interface.Name
		return
	}
	e.SrcEndpoint.InterfaceName = doc.Observer.Ingress.Interface.Name
}

func newEndpoint(end finding.Endpoint) endpoint {
	if !end.IP.IsValid() {
		return endpoint{}
	}
	return endpoint{IP: end.IP.String(), Port: end.Port}
}

func newConnection(doc *finding.Document) connection {
	n := doc.Network
	if n.Transport == "" && n.Type == "" && n.Direction == "" {
		return connection{}
	}
	c := connection{ProtocolName: n.Transport, ProtocolNum: protocol(n.Transport), CommunityUID: n.CommunityID, Direction: "Unknown"}
	switch n.Direction {
	case "ingress":
		c.DirectionID, c.Direction = 1, "Inbound"
	case "egress":
		c.DirectionID, c.Direction = 2, "Outbound"
	}
	switch n.Type {
	case "ipv4":
		c.ProtocolVer = 4
	case "ipv6":
		c.ProtocolVer = 6
	}
	return c
}

func protocol(transport string) int {
	switch transport {
	case "icmp":
		return 1
	case "tcp":
		return 6
	case "udp":
		return 17
	case "ipv6-icmp":
		return 58
	default:
		return 0
	}
}

func newContainer(doc *finding.Document) container {
	return container{
		UID: doc.Container.ID, Name: doc.Container.Name, Runtime: doc.Container.Runtime,
		Orchestrator: doc.Orchestrator.Type, PodUUID: doc.Orchestrator.Resource.ID,
	}
}

// newProcess gives nothing without a pid: OCSF wants one to tell processes apart.
func newProcess(doc *finding.Document) process {
	if doc.Process.PID == 0 {
		return process{}
	}
	p := process{PID: doc.Process.PID, Name: doc.Process.Name}
	if exe := doc.Process.Executable; exe != "" {
		p.File = file{Name: path.Base(exe), Path: exe, TypeID: 1}
	}
	return p
}

func newDevice(doc *finding.Document) device { return deviceOf(doc.Host.Name, doc.Host.OS.Kernel) }

func deviceOf(name, release string) device {
	d := device{Type: "Unknown", Hostname: name}
	d.OS.Name, d.OS.Type, d.OS.TypeID = "Linux", "Linux", 200
	d.OS.KernelRelease = release
	return d
}

func newResources(doc *finding.Document) []resource {
	n := doc.Trapbpf.Netns
	if n.Inode == 0 && n.Name == "" {
		return nil
	}
	r := resource{Type: "Network Namespace", Name: n.Name}
	if n.Inode != 0 {
		r.UID = strconv.FormatUint(uint64(n.Inode), 10)
	}
	return []resource{r}
}

// observe lists what an analyst pivots on, by the numbers of OCSF's observable types.
func observe(evidences []evidence) []observed {
	var all []observed
	add := func(i int, attribute string, id int, kind, value string) {
		if value != "" {
			all = append(all, observed{fmt.Sprintf("evidences[%d].%s", i, attribute), id, kind, value})
		}
	}
	for i, e := range evidences {
		add(i, "src_endpoint.ip", 2, "IP Address", e.SrcEndpoint.IP)
		add(i, "dst_endpoint.ip", 2, "IP Address", e.DstEndpoint.IP)
		add(i, "process.name", 9, "Process Name", e.Process.Name)
		add(i, "query.hostname", 1, "Hostname", e.Query.Hostname)
	}
	return all
}
