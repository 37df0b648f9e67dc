// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import "net/netip"

// Owner is who made a socket: the task at the moment of connect() or bind().
type Owner struct {
	PID  uint32 `json:"pid,omitempty"`
	Comm string `json:"comm,omitempty"`
	// Cgroup is the cgroup v2 id (kernfs inode), 0 without cgroup v2.
	Cgroup uint64 `json:"cgroup,omitempty"`
}

// PortOp is the call that wanted a local port.
type PortOp string

// The calls that pick an ephemeral port.
const (
	PortConnect PortOp = "connect"
	PortBind    PortOp = "bind"
)

// PortFailure is a connect() (EADDRNOTAVAIL) or a bind() to port 0 (EADDRINUSE)
// that found no free local port.
//
// Failures are counted in the kernel per (namespace, call, source, destination,
// port); of each such key the first is an event, then at most one in each
// sampling interval, with an exact Count.
type PortFailure struct {
	Header
	Op PortOp `json:"op"`
	// Source is the local address, unspecified for a bind to the wildcard.
	Source netip.Addr `json:"source"`
	// Destination is zero for a bind.
	Destination netip.AddrPort `json:"destination,omitzero"`
	Owner       Owner          `json:"owner"`
	// Count is how many failures this key has had since the agent attached.
	Count uint64 `json:"count"`
}

// Kind implements Event.
func (*PortFailure) Kind() Kind { return KindPortFailure }

// PortPressure is how fast one destination is being dialled, counted in the
// kernel and read once a second. Counts are since the agent attached.
type PortPressure struct {
	Header
	Source      netip.Addr     `json:"source"`
	Destination netip.AddrPort `json:"destination"`
	// Opens counts connect() calls that got a port.
	Opens uint64 `json:"opens"`
	// TimeWaits counts those connections whose close from this side left a
	// TIME_WAIT.
	TimeWaits uint64 `json:"time_waits"`
	// Owner is the task that dialled last.
	Owner Owner `json:"owner"`
}

// Kind implements Event.
func (*PortPressure) Kind() Kind { return KindPortPressure }

// PortUse is a walk over a namespace's TCP sockets: who holds the ephemeral
// ports. Only sockets with a local port inside the ephemeral range count, and none
// whose local port is listened on.
type PortUse struct {
	Header
	// Rows are the destinations that hold the most ports, most first, at most
	// PortUseRows of them.
	Rows []PortUseRow `json:"rows,omitempty"`
	// Sources are the same sockets summed per local address.
	Sources []PortUseSource `json:"sources,omitempty"`
	// TimeWait and Live are the sums over all destinations, those not in Rows too.
	TimeWait uint32 `json:"time_wait"`
	Live     uint32 `json:"live"`
	// AllTimeWait counts every TIME_WAIT of the namespace, a listener's too: what
	// tcp_max_tw_buckets limits.
	AllTimeWait uint32 `json:"all_time_wait"`
	// Untold counts sockets that found no room in the aggregation.
	Untold uint32 `json:"untold,omitempty"`
	// Listening are the namespace's listening ports, ascending, at most
	// PortUseListening: what a wider ephemeral range must not collide with.
	Listening []uint16 `json:"listening,omitempty"`
	// Overflows is TcpExt's TCPTimeWaitOverflow: TIME_WAITs refused since the
	// namespace was made.
	Overflows uint64 `json:"overflows"`
}

// Bounds of PortUse's lists: Rows and Sources, and Listening.
const (
	PortUseRows      = 32
	PortUseListening = 128
)

// PortUseRow is one destination's share of the ephemeral ports.
type PortUseRow struct {
	Source      netip.Addr     `json:"source"`
	Destination netip.AddrPort `json:"destination"`
	TimeWait    uint32         `json:"time_wait"`
	Live        uint32         `json:"live"`
}

// PortUseSource is one local address's share of the ephemeral ports.
type PortUseSource struct {
	Source   netip.Addr `json:"source"`
	TimeWait uint32     `json:"time_wait"`
	Live     uint32     `json:"live"`
}

// Kind implements Event.
func (*PortUse) Kind() Kind { return KindPortUse }

// PortSettings are a namespace's sysctls that decide how many ports there are.
type PortSettings struct {
	Header
	// Low and High are ip_local_port_range, both inclusive.
	Low  uint16 `json:"low"`
	High uint16 `json:"high"`
	// Reserved is ip_local_reserved_ports as written; ReservedInRange how many
	// of those ports lie in the range.
	Reserved        string `json:"reserved,omitempty"`
	ReservedInRange uint32 `json:"reserved_in_range,omitempty"`
	// TWReuse is tcp_tw_reuse: 0 off, 1 all, 2 loopback only.
	TWReuse      int    `json:"tw_reuse"`
	Timestamps   int    `json:"timestamps"`
	MaxTWBuckets uint32 `json:"max_tw_buckets"`
}

// Kind implements Event.
func (*PortSettings) Kind() Kind { return KindPortSettings }

// Size gives how many ports the range has for callers.
func (s *PortSettings) Size() uint32 {
	if s.High < s.Low {
		return 0
	}
	return uint32(s.High) - uint32(s.Low) + 1 - s.ReservedInRange
}
