// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package finding holds what was concluded: a finding with its evidence and its
// steps, and the record that tells of it.
//
// A finding never says more than its evidence does. It is suspected while an
// innocent explanation fits as well, confirmed once one signal excludes it, and
// resolved once the condition has been seen to be gone.
package finding

import (
	"net/netip"
	"time"
)

// Trap is a rule.id of the contract.
type Trap string

// The five traps.
const (
	MTUBlackhole       Trap = "mtu-blackhole"
	PMTUDFailure       Trap = "pmtud-failure"
	AsymmetricRouting  Trap = "asymmetric-routing"
	DNSCaching         Trap = "dns-caching"
	TimeWaitExhaustion Trap = "time-wait-exhaustion"
)

// Cause is a trapbpf.cause of the contract.
type Cause string

// Status says how sure a finding is, or that it is over.
type Status string

// The statuses.
const (
	Suspected Status = "suspected"
	Confirmed Status = "confirmed"
	Resolved  Status = "resolved"
)

// Severity is an event.severity of the contract.
type Severity int

// The severities.
const (
	Low      Severity = 21
	Medium   Severity = 47
	High     Severity = 73
	Critical Severity = 99
)

// Finding is one conclusion about one subject. The engine owns it; a sink gets
// a copy that it must not change.
type Finding struct {
	// ID is stable from opened to resolved.
	ID    string
	Trap  Trap
	Cause Cause
	// Subject is what it is about, in its detector's own words: with the cause and the
	// namespace it tells whether two sightings are one finding. No record shows it.
	Subject string
	// Status, Severity, Confidence (0-100) with its derivation.
	Status        Status
	Severity      Severity
	Confidence    int
	ConfidenceWhy []string
	// Message is short and stable: it has no counts.
	Message string

	Netns   Netns
	Flow    Flow
	Process Process
	// Ingress and Egress are interface names.
	Ingress, Egress string
	// ErrorCode is what the application saw: EADDRNOTAVAIL, ETIMEDOUT.
	ErrorCode string

	Symptoms, Evidence, Against []string

	// Fix changes the running host, Persistent keeps it over a reboot, Undo takes
	// Fix back, Verify shows that it helped. Each in the order to try.
	Fix, Persistent, Undo, Verify []Step

	MTU   *MTU
	Route *Route
	DNS   *DNS
	Ports *Ports

	// First and Last are when the condition was first and last seen; Count how
	// often.
	First, Last time.Time
	Count       uint64
	// Lossy tells that events of a kind it rests on were lost meanwhile.
	Lossy bool
}

// Netns is where it happened.
type Netns struct {
	Inode uint32
	Name  string
}

// Flow is who talks to whom: Source opened or sent. Fields are zero where the
// finding is about a host or a name.
type Flow struct {
	Source, Destination         netip.Addr
	SourcePort, DestinationPort uint16
	// Transport is "tcp", "udp", "icmp", "ipv6-icmp". For the last two the source
	// port is the ICMP type and the destination port the code, as Community ID has it.
	Transport string
	// Direction is "ingress", "egress" or "" where unknown.
	Direction string
}

// Process is the socket's owner, where known.
type Process struct {
	PID        uint32
	Name       string
	Executable string
	// Cgroup is the id of the control group in which its socket was made, 0 where that is
	// not known. It is for telling processes apart, and in no record.
	Cgroup uint64
	// Unit is the systemd unit that it belongs to, "" in a container.
	Unit string
	// ContainerID is the full id, where the process runs in a container. Container and
	// pod may be known without a process: they are then whose namespace it is.
	ContainerID string
	// Runtime is what made the container, such as "containerd".
	Runtime string
	Pod     Pod
}

// Pod is a Kubernetes pod; what is not known is "".
type Pod struct {
	UID, Namespace, Name string
	// Container is the name of the container in it.
	Container string
}
