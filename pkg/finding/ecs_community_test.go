// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"net/netip"
	"testing"

	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func flowEnd(ip string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), port)
}

// The vectors are baseline_deflt.json of github.com/corelight/community-id-spec.
func TestCommunityIDGivesThePublishedVectors(t *testing.T) {
	for _, v := range []struct {
		protocol uint8
		from     string
		fromPort uint16
		to       string
		toPort   uint16
		id       string
	}{
		{58, "fe80::200:86ff:fe05:80da", 135, "fe80::260:97ff:fe07:69ea", 136, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
		{58, "fe80::260:97ff:fe07:69ea", 136, "fe80::200:86ff:fe05:80da", 135, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
		{58, "fe80::260:97ff:fe07:69ea", 135, "fe80::200:86ff:fe05:80da", 136, "1:zavyT/cezQr1fmImYCwYnMXbgck="},
		{58, "3ffe:501:1800:2345::2", 3, "3ffe:507:0:1:200:86ff:fe05:80da", 0, "1:2ObVBgIn28oZvibYZhZMBgh7WdQ="},
		{58, "3ffe:501:410:0:2c0:dfff:fe47:33e", 1, "3ffe:507:0:1:200:86ff:fe05:80da", 4, "1:hLZd0XGWojozrvxqE0dWB1iM6R0="},
		{58, "3ffe:507:0:1:200:86ff:fe05:80da", 128, "3ffe:501:0:1001::2", 129, "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="},
		{58, "3ffe:501:0:1001::2", 129, "3ffe:507:0:1:200:86ff:fe05:80da", 128, "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="},
		{58, "fe80::200:86ff:fe05:80da", 133, "ff02::2", 134, "1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0="},
		{58, "fe80::260:97ff:fe07:69ea", 134, "ff02::1", 133, "1:pkvHqCL88/tg1k4cPigmZXUtL00="},
		{1, "192.168.0.89", 8, "192.168.0.1", 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{1, "192.168.0.1", 0, "192.168.0.89", 8, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{1, "10.0.0.1", 11, "10.0.0.2", 0, "1:YHxtAirCG//0OzkcVAukqKQN9xM="},
		{6, "2001:470:e5bf:dead:4957:2174:e82c:4887", 63943, "2607:f8b0:400c:c03::1a", 25, "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
		{6, "2607:f8b0:400c:c03::1a", 25, "2001:470:e5bf:dead:4957:2174:e82c:4887", 63943, "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
		{132, "192.168.170.8", 7, "192.168.170.56", 7, "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="},
		{6, "128.232.110.120", 34855, "66.35.250.204", 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{6, "66.35.250.204", 80, "128.232.110.120", 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{17, "192.168.1.52", 54585, "8.8.8.8", 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{17, "8.8.8.8", 53, "192.168.1.52", 54585, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{6, "::ffff:66.35.250.204", 80, "::ffff:128.232.110.120", 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
	} {
		if got := finding.CommunityID(flowEnd(v.from, v.fromPort), flowEnd(v.to, v.toPort), v.protocol); got != v.id {
			t.Errorf("protocol %d, %s:%d to %s:%d gives %s, want %s", v.protocol, v.from, v.fromPort, v.to, v.toPort, got, v.id)
		}
	}
}

func TestCommunityIDIsLeftOutWhereTheFlowIsNotOneFlow(t *testing.T) {
	for name, flow := range map[string]finding.Flow{
		"nothing known":  {},
		"no source":      {Destination: netip.MustParseAddr("10.0.0.1"), SourcePort: 1, DestinationPort: 2, Transport: "tcp"},
		"no source port": {Source: netip.MustParseAddr("10.0.0.1"), Destination: netip.MustParseAddr("10.0.0.2"), DestinationPort: 2, Transport: "tcp"},
		"no ICMP type":   {Source: netip.MustParseAddr("10.0.0.1"), Destination: netip.MustParseAddr("10.0.0.2"), Transport: "icmp"},
		"no transport":   {Source: netip.MustParseAddr("10.0.0.1"), Destination: netip.MustParseAddr("10.0.0.2"), SourcePort: 1, DestinationPort: 2},
	} {
		r := sample.RPFilter(finding.Opened)
		r.Flow = flow
		if doc := finding.NewDocument(r); doc.Network.CommunityID != "" {
			t.Errorf("%s: %s", name, doc.Network.CommunityID)
		}
	}
}

func TestICMPTypeAndCodeAreNotToldAsPorts(t *testing.T) {
	doc := finding.NewDocument(sample.MartianIPv6())
	if doc.Source.Port != 0 || doc.Destination.Port != 0 || doc.Network.CommunityID == "" {
		t.Errorf("source %+v, destination %+v, network %+v", doc.Source, doc.Destination, doc.Network)
	}
}
