// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import "net/netip"

// MTU is trapbpf.mtu: sizes are bytes of an IP packet on the wire.
type MTU struct {
	Path          uint32 `json:"path,omitempty"`
	LargestPassed uint32 `json:"largest_passed,omitempty"`
	SmallestLost  uint32 `json:"smallest_lost,omitempty"`
	Interface     uint32 `json:"interface,omitempty"`
	Route         uint32 `json:"route,omitempty"`
	Told          uint32 `json:"told,omitempty"`
}

// Route is trapbpf.route. Ingress is the interface a packet came in by, Expected
// the one the kernel would use for the way back.
type Route struct {
	Ingress           string   `json:"ingress,omitempty"`
	Expected          string   `json:"expected,omitempty"`
	Back              string   `json:"back,omitempty"`
	RPFilter          int      `json:"rp_filter"`
	RPFilterAll       int      `json:"rp_filter_all"`
	RPFilterInterface int      `json:"rp_filter_interface"`
	Drops             uint64   `json:"drops"`
	DropsPerSecond    float64  `json:"drops_per_second"`
	Reason            string   `json:"reason,omitempty"`
	Defaults          []string `json:"defaults,omitempty"`
	Rules             []string `json:"rules,omitempty"`
	SourceMAC         string   `json:"source_mac,omitempty"`
}

// DNS is trapbpf.dns and the ECS dns fields beside it.
type DNS struct {
	Question     string       `json:"-"`
	Type         string       `json:"-"`
	ResponseCode string       `json:"-"`
	ResolvedIP   []netip.Addr `json:"-"`

	Ndots            int      `json:"ndots,omitempty"`
	Search           []string `json:"search,omitempty"`
	QueriesPerLookup float64  `json:"queries_per_lookup,omitempty"`
	StaleIP          string   `json:"stale_ip,omitempty"`
	CurrentIP        []string `json:"current_ip,omitempty"`
	TTL              uint32   `json:"ttl,omitempty"`
	// TTLLeft is for how many more seconds the answer in question holds; absent where
	// that is not known.
	TTLLeft *uint32 `json:"ttl_left,omitempty"`
	// Resolver is the server that the finding is about, OtherResolver the one that it is
	// compared with, which gave OtherIP.
	Resolver      string   `json:"resolver,omitempty"`
	OtherResolver string   `json:"other_resolver,omitempty"`
	OtherIP       []string `json:"other_ip,omitempty"`
	// Queries, Unanswered and Failures count what was asked of Resolver within the
	// window, what it left without an answer, and what it answered with an error.
	Queries    uint64 `json:"queries,omitempty"`
	Unanswered uint64 `json:"unanswered,omitempty"`
	Failures   uint64 `json:"failures,omitempty"`
	// WastedPerSecond and LostMilliseconds, per lookup, are what a search list costs.
	WastedPerSecond  float64 `json:"wasted_per_second,omitempty"`
	LostMilliseconds float64 `json:"lost_milliseconds,omitempty"`
}

// empty tells whether no field of the record would be there.
func (d *DNS) empty() bool {
	return d.Ndots == 0 && len(d.Search) == 0 && d.QueriesPerLookup == 0 && d.StaleIP == "" && len(d.CurrentIP) == 0 &&
		d.TTL == 0 && d.TTLLeft == nil && d.Resolver == "" && d.OtherResolver == "" && len(d.OtherIP) == 0 &&
		d.Queries == 0 && d.Unanswered == 0 && d.Failures == 0 && d.WastedPerSecond == 0 && d.LostMilliseconds == 0
}

// Ports is trapbpf.ports: towards Flow's destination, or of the whole namespace
// where Flow has none.
type Ports struct {
	TimeWait uint32 `json:"time_wait"`
	Live     uint32 `json:"live"`
	// Range is ip_local_port_range as "low-high"; Size the ports it leaves to
	// callers once reserved ones are taken off.
	Range       string  `json:"range,omitempty"`
	Size        uint32  `json:"size,omitempty"`
	Reserved    string  `json:"reserved,omitempty"`
	UsedPercent float64 `json:"used_percent"`
	// SecondsLeft is a forecast; absent where nothing is running out.
	SecondsLeft    *float64 `json:"seconds_left,omitempty"`
	Failures       uint64   `json:"failures,omitempty"`
	OpensPerSecond float64  `json:"opens_per_second,omitempty"`
	TWReuse        int      `json:"tw_reuse"`
	Timestamps     int      `json:"timestamps"`
	// Top are the destinations that hold the most ports, in words.
	Top []string `json:"top,omitempty"`
}
