// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/probe/dns"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// viewpoint gives the namespace to probe from, the caller's own where word is "", and
// sees to it that it can be entered.
func viewpoint(h *host.Host, word string) (host.Target, error) {
	if word == "" {
		return host.Target{Inode: h.Own()}, nil
	}
	at, err := h.Resolve(word)
	if err == nil {
		err = host.Inside(at.Path, at.Inode, func() error { return nil })
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return at, fmt.Errorf("%w: entering a network namespace needs CAP_SYS_ADMIN: run it with sudo", kernel.ErrPrivilege)
	}
	return at, err
}

// layersAt gives the resolv.conf that the programs of a namespace read, and the servers
// that it leads to; on the host's own network those that pods are told of, too.
func layersAt(ctx context.Context, h *host.Host, at host.Target) (*event.Resolver, []dns.Server, error) {
	pods := h.Resolvers()
	answer, err := h.Answer(ctx, event.Want{Of: event.KindResolver, Netns: at.Inode})
	own, ok := answer.(*event.Resolver)
	if !ok {
		own = &event.Resolver{}
	}
	if at.Inode != h.Own() {
		for i := range pods {
			if pods[i].Netns == at.Inode && (!ok || own.Path == "/etc/resolv.conf") {
				own, ok, err = &pods[i], true, nil
			}
		}
	}
	if !ok {
		return own, nil, errors.Join(err, errors.New("name the servers to ask with --server"))
	}
	servers := dns.Layers(own)
	if at.Inode == h.Own() {
		servers = append(servers, dns.ClusterLayers(pods)...)
	}
	return own, servers, nil
}

// progressTo shows on a terminal what is going on, in one line that "" takes away.
func progressTo(env Environment) func(string) {
	return func(text string) {
		if env.StderrTerminal {
			fmt.Fprintf(env.Stderr, "\r\x1b[K%s", text)
		}
	}
}

func tellProbeDNS(env Environment, f probeDNSFlags, report *dns.Report) error {
	if f.output == "json" {
		return json.NewEncoder(env.Stdout).Encode(report)
	}
	return report.Print(env.Stdout)
}
