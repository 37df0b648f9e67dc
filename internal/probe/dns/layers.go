// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Port is the one that name servers listen at.
const Port = 53

// Layers gives the servers that a resolv.conf leads to: its own, and those that
// systemd-resolved asks for it. A file without a server means the local host
// (resolv.conf(5)).
func Layers(r *event.Resolver) []Server {
	layer := Resolver
	if clusters(r.Search) {
		layer = Cluster
	}
	var servers []Server
	for _, addr := range r.Nameservers {
		servers = append(servers, on(layer, addr))
	}
	if len(servers) == 0 {
		servers = append(servers, on(Stub, netip.AddrFrom4([4]byte{127, 0, 0, 1})))
	}
	for _, addr := range r.Upstreams {
		servers = append(servers, on(Upstream, addr))
	}
	return servers
}

// ClusterLayers gives the servers of Kubernetes' own DNS that the resolv.conf files of
// pods name.
func ClusterLayers(pods []event.Resolver) []Server {
	var servers []Server
	for i := range pods {
		if !clusters(pods[i].Search) {
			continue
		}
		for _, addr := range pods[i].Nameservers {
			if !addr.IsLoopback() { // which is the pod's own
				servers = append(servers, on(Cluster, addr))
			}
		}
	}
	return servers
}

func on(layer Layer, addr netip.Addr) Server {
	if addr.IsLoopback() && layer != Upstream {
		layer = Stub
	}
	return Server{layer, netip.AddrPortFrom(addr, Port)}
}

// clusters tells by the search list that the kubelet wrote a file: the pod's namespace
// first, then the cluster's services.
func clusters(search []string) bool {
	return slices.ContainsFunc(search, func(suffix string) bool {
		_, services, found := strings.Cut(suffix, ".")
		return found && strings.HasPrefix(services, "svc.") && slices.Contains(search, services)
	})
}
