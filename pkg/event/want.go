// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import "net/netip"

// Want is a question that the engine has about the host. It asks, it never
// looks: the answer comes down the stream as an event, so a recording holds it and
// a replay need not ask.
type Want struct {
	// Of is the kind of the answer: KindRouting, KindRouteBack, KindPortSettings,
	// KindPortUse, KindProcess, KindNamespace, KindPath, KindConnections, KindFirewall, KindUplinks or
	// KindPathProbe, which is answered only where active probes are allowed.
	Of    Kind
	Netns Netns
	// To and From are the question of RouteBack, Path, Firewall and PathProbe; To is the peer of
	// Connections.
	To, From netip.Addr
	// Port is a TCP port of To that something is known to listen on, for PathProbe; 0
	// for none.
	Port uint16
	// PID is Process's question, and Resolver's.
	PID uint32
	// Cgroup is the control group in which the process was seen, which outlives it.
	Cgroup uint64
}
