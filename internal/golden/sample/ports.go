// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sample

import "github.com/trapbpf/trapbpf/pkg/finding"

// PortsExhausted is a finding about all flows to one destination, with its owner.
func PortsExhausted() *finding.Record {
	r := base("04", 4)
	r.Trap, r.Cause = finding.TimeWaitExhaustion, "ephemeral-ports-exhausted"
	r.Severity, r.Confidence, r.Count = finding.Critical, 99, 812
	r.Message = "No ephemeral port left towards 10.9.0.2:5432"
	r.Netns = finding.Netns{Inode: 4026531840}
	r.Flow = finding.Flow{
		Source: addr("10.9.0.1"), Destination: addr("10.9.0.2"), DestinationPort: 5432,
		Transport: "tcp", Direction: "egress",
	}
	r.Process = finding.Process{
		PID: 4211, Name: "api", Executable: "/srv/api/bin/api",
		ContainerID: "3f2a9c1d5b7e8f00112233445566778899aabbccddeeff001122334455667788", Runtime: "containerd",
		Pod: finding.Pod{UID: "1f1d9ca4-7a31-4b7a-8a3e-2f6a9d0b1c2d", Namespace: "shop", Name: "api-7d4b9c", Container: "api"},
	}
	r.ErrorCode = "EADDRNOTAVAIL"
	r.ConfidenceWhy = []string{"+60 connect() failed for want of a port", "+39 a walk of the sockets finds every port of the range in TIME_WAIT"}
	r.Symptoms = []string{"new connections to 10.9.0.2:5432 fail at once with EADDRNOTAVAIL"}
	r.Evidence = []string{
		"812 connect() calls found no port since 14:03:07",
		"2001 of 2001 ports towards 10.9.0.2:5432 are taken: 1994 TIME_WAIT, 7 live",
	}
	r.Against = []string{"not a leak: 7 live connections hold 0.3% of the range"}
	r.Ports = &finding.Ports{
		TimeWait: 1994, Live: 7, Range: "40000-42000", Size: 2001, UsedPercent: 100,
		Failures: 812, OpensPerSecond: 655.6666, TWReuse: 2, Timestamps: 1,
		Top: []string{"10.9.0.2:5432 2001 (1994 TIME_WAIT, 7 live)", "10.9.0.3:6379 12 (12 live)"},
	}
	r.Fix = []finding.Step{
		{Op: finding.Sysctl{Key: "net.ipv4.tcp_tw_reuse", Value: "1"}, Does: "lets outgoing connections take a port that is in TIME_WAIT for a second or more", Risk: "needs TCP timestamps, which are on"},
		{Op: finding.Sysctl{Key: "net.ipv4.ip_local_port_range", Value: "1024 60999"}, Does: "59976 ports instead of 2001", Risk: "listeners below 40000 need ip_local_reserved_ports"},
	}
	r.Undo = []finding.Step{
		{Op: finding.Sysctl{Key: "net.ipv4.tcp_tw_reuse", Value: "2"}, Does: "as it was"},
		{Op: finding.Sysctl{Key: "net.ipv4.ip_local_port_range", Value: "40000 42000"}, Does: "as it was"},
	}
	r.Verify = []finding.Step{look("", "ss -Htan state time-wait dst 10.9.0.2 dport = :5432 | wc -l", "must stay well below 2001")}
	return &r
}

// BindPool is suspected, not yet confirmed, and about a source address only.
func BindPool() *finding.Record {
	r := base("05", 5)
	r.Trap, r.Cause = finding.TimeWaitExhaustion, "bind-pool-exhausted"
	r.Status, r.Severity, r.Confidence = finding.Suspected, finding.Medium, 70
	r.Message = "bind() before connect() has used up the ports of 10.9.0.1"
	r.Netns = finding.Netns{Inode: 4026532800, Name: "proxy"}
	r.Flow = finding.Flow{Source: addr("10.9.0.1"), Transport: "tcp"}
	r.Process = finding.Process{PID: 77, Name: "haproxy", Unit: "haproxy.service"}
	r.ErrorCode = "EADDRINUSE"
	r.Evidence = []string{"3 bind() calls to port 0 of 10.9.0.1 failed with EADDRINUSE"}
	left := 12.5
	r.Ports = &finding.Ports{
		TimeWait: 300, Live: 10, Range: "32768-33100", Size: 310, Reserved: "32800-32822",
		UsedPercent: 100, SecondsLeft: &left, TWReuse: 2, Timestamps: 1,
	}
	r.Fix = []finding.Step{{
		Op:   finding.Command{Line: "# set IP_BIND_ADDRESS_NO_PORT on the socket before bind(): then the port is chosen at connect(), one pool for each destination"},
		Does: "the cure is in the program, not in the kernel's settings",
	}}
	r.Verify = []finding.Step{look("proxy", "ss -Htan src 10.9.0.1 | wc -l", "may grow beyond 310 once the option is set")}
	r.Lossy = true
	return &r
}
