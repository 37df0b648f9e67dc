// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// MartianIPv6 is about a source that cannot be, over ICMPv6.
func MartianIPv6() *finding.Record {
	r := base("06", 6)
	r.Trap, r.Cause = finding.AsymmetricRouting, "martian-source"
	r.Severity, r.Confidence = finding.Low, 90
	r.Message = "Martian source: packets from ::1 arrive on eth0"
	r.Netns = finding.Netns{Inode: 4026531840}
	r.Flow = finding.Flow{
		Source: addr("::1"), SourcePort: 128, Destination: addr("2001:db8::2"),
		Transport: "ipv6-icmp", Direction: "ingress",
	}
	r.Ingress = "eth0"
	r.Evidence = []string{"a loopback address never leaves a host: this is a misconfiguration or spoofing, not asymmetry"}
	r.Route = &finding.Route{Ingress: "eth0", Drops: 3, Reason: "IPV6_BAD_SADDR", SourceMAC: "02:00:00:00:00:09"}
	r.Verify = []finding.Step{look("", "tcpdump -c 5 -eni eth0 src ::1", "shows who sends it")}
	return &r
}

// StaleAnswer is about a name.
func StaleAnswer() *finding.Record {
	r := base("07", 7)
	r.Trap, r.Cause = finding.DNSCaching, "stale-answer"
	r.Severity, r.Confidence = finding.Medium, 80
	r.Message = "db.internal.example is dialled at an address that it no longer has"
	r.Netns = finding.Netns{Inode: 4026531840}
	r.Flow = finding.Flow{Destination: addr("192.0.2.10"), DestinationPort: 5432, Transport: "tcp", Direction: "egress"}
	r.Process = finding.Process{PID: 991, Name: "java", Executable: "/usr/lib/jvm/bin/java"}
	r.Evidence = []string{"192.0.2.10 had a TTL of 30 s, which ran out 270 s ago", "since then db.internal.example is 192.0.2.20"}
	r.DNS = &finding.DNS{
		Question: "db.internal.example", Type: "A", ResponseCode: "NOERROR",
		ResolvedIP: []netip.Addr{addr("192.0.2.20")},
		StaleIP:    "192.0.2.10", CurrentIP: []string{"192.0.2.20"}, TTL: 30,
	}
	r.Verify = []finding.Step{look("", "getent ahosts db.internal.example", "must print 192.0.2.20")}
	return &r
}

// hostile holds what a process or interface may be called to deceive a reader: a
// terminal escape, C1's CSI, a bidirectional override, invalid UTF-8, a line break,
// JSON's and CEF's own characters, a character that needs a surrogate pair.
const hostile = "\x1b]0;owned\x07\u009b31m\u202egnp.exe\xff\r\n\"},|cs1=\\\U000e0041\x7f"

// Hostile is a finding whose every name was chosen by an enemy.
func Hostile() *finding.Record {
	r := base("08", 8)
	rpFilter(&r)
	r.Message = "rp_filter on " + hostile + " drops packets"
	r.Process = finding.Process{PID: 666, Name: hostile, Executable: "/tmp/" + hostile, ContainerID: hostile}
	r.Ingress, r.Egress = hostile, hostile
	r.Netns.Name = hostile
	r.Host.Name = hostile
	r.Reason = hostile
	r.Evidence = []string{hostile, "<script>alert(1)</script> & more"}
	r.Route.Back = hostile
	r.Route.DropsPerSecond = math.Inf(1)
	r.Fix = []finding.Step{in(hostile, finding.Sysctl{Key: finding.SysctlKey("net", "ipv4", "conf", hostile, "rp_filter"), Value: "2"}, hostile, hostile)}
	r.Persistent, r.Undo = nil, nil
	return &r
}

// Giant is many times longer than a line may be.
func Giant() *finding.Record {
	r := base("09", 9)
	rpFilter(&r)
	r.Time = start().Add(time.Minute)
	for i := range 2000 {
		r.Evidence = append(r.Evidence, fmt.Sprintf("evidence %d: a line that was long to begin with ä€𝄞 %s", i, strings.Repeat("~", i%97)))
	}
	r.Against = append(r.Against, strings.Repeat("an explanation without end, ", 500))
	r.Process = finding.Process{PID: 1, Name: "x", Executable: "/" + strings.Repeat("very-long-folder/", 240)}
	for i := range 200 {
		r.Route.Defaults = append(r.Route.Defaults, fmt.Sprintf("default via 10.0.%d.1 dev eth%d metric %d", i, i, i))
		r.Persistent = append(r.Persistent, in("", finding.Command{Line: fmt.Sprintf("echo step %d %s", i, strings.Repeat("x", 40))}, "", ""))
	}
	return &r
}
