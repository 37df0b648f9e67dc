// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import "net/netip"

// Want is a question that the engine has about the host. It asks, it never
// looks: the answer comes down the stream as an event, so a recording holds it and
// a replay need not ask.
type Want struct {
	// Of is the kind of the answer: KindRouting, KindRouteBack, KindPortSettings,
	// KindPortUse, KindProcess, KindNamespace, KindPath, KindConnections or KindFirewall.
	Of    Kind
	Netns Netns
	// To and From are the question of RouteBack, Path and Firewall; To is the peer of
	// Connections.
	To, From netip.Addr
	// PID is Process's question, and Resolver's.
	PID uint32
	// Cgroup is the control group in which the process was seen, which outlives it.
	Cgroup uint64
}
