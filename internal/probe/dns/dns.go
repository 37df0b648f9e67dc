// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package dns asks every layer that answers for a name, and compares: the stub, the
// resolvers behind it, the cluster's DNS, and the servers of the zone itself, which are
// found by following its delegation. What differs says who is behind, and what is left of
// an answer's TTL says for how long yet.
//
// It asks as dig does, by ordinary UDP and TCP sockets, needs no privilege, sends a
// bounded number of questions within a bounded time, and takes no answer that does not
// match id, question and address of what it asked.
package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Within is how long a probe takes at most.
const Within = 5 * time.Second

// maxServers bounds how many resolvers are asked.
const maxServers = 24

// ErrUnanswered says that no server told what the name has, or that it has nothing: they
// were silent, or answered with an error.
var ErrUnanswered = errors.New("no server answered the question")

// Layer is where between a program and the zone a server stands.
type Layer string

// The layers, from the program's side.
const (
	// Stub is a resolver on the host itself, such as systemd-resolved's 127.0.0.53.
	Stub Layer = "stub"
	// Resolver is named by resolv.conf, Upstream is what systemd-resolved asks.
	Resolver Layer = "resolver"
	Upstream Layer = "upstream"
	// Cluster is Kubernetes' own DNS.
	Cluster Layer = "cluster"
	// Given was named by the user.
	Given Layer = "given"
	// Authority is a server of the zone.
	Authority Layer = "authority"
)

// Server is a resolver to ask.
type Server struct {
	Layer Layer
	Addr  netip.AddrPort
}

// Options say what to probe.
type Options struct {
	// Name is one that ParseName gave, Type one of Types.
	Name, Type string
	// Servers are asked in this order, each address once.
	Servers []Server
	// Dial connects to servers, from the network that is to be probed.
	Dial Dial
	// Progress is told what is going on, in a few words; it may be nil.
	Progress func(text string)
}

// probe is one run.
type probe struct {
	options Options
	finder  *finder
	asked   question
	// layers are what the servers said, in their order; zone what the zone's did.
	layers []*reply
	zone   []*authority
	// later are the layers' answers a moment later, nil where they were not asked again.
	later []*reply
}

// Probe asks every server and the zone's own. Where none of them answered the error is
// ErrUnanswered, and the report says what happened to each; it is nil where nothing was
// asked.
func Probe(ctx context.Context, o Options) (*Report, error) {
	kind, known := types()[o.Type]
	if !known {
		return nil, fmt.Errorf("unknown type %q", o.Type)
	}
	ctx, cancel := context.WithTimeout(ctx, Within)
	defer cancel()
	started := time.Now()
	o.Servers = once(o.Servers)
	p := &probe{
		options: o, asked: question{name: o.Name, kind: kind, recursive: true},
		finder: &finder{asker: &asker{dial: o.Dial}, port: Port},
		layers: make([]*reply, len(o.Servers)),
	}
	for _, s := range o.Servers {
		p.finder.resolvers = append(p.finder.resolvers, s.Addr)
	}
	p.askAll(ctx)
	p.again(ctx)
	p.recount(ctx)
	report := p.report()
	report.Timestamp, report.Took = started.UTC(), milliseconds(time.Since(started))
	report.Queries = min(p.finder.sent.Load(), maxQueries)
	if !report.answered() {
		return report, ErrUnanswered
	}
	return report, nil
}

// once drops addresses that are there already: what is asked twice looks like two
// opinions.
func once(servers []Server) []Server {
	var list []Server
	seen := map[netip.AddrPort]bool{}
	for _, s := range servers {
		s.Addr = netip.AddrPortFrom(s.Addr.Addr().Unmap(), s.Addr.Port())
		if !seen[s.Addr] && len(list) < maxServers {
			seen[s.Addr] = true
			list = append(list, s)
		}
	}
	return list
}

func (p *probe) progress(format string, args ...any) {
	if p.options.Progress != nil {
		p.options.Progress(fmt.Sprintf(format, args...))
	}
}

func (p *probe) askAll(ctx context.Context) {
	p.progress("asking %d resolvers, and for the servers of the zone", len(p.layers))
	var all sync.WaitGroup
	for i, s := range p.options.Servers {
		all.Go(func() { p.layers[i] = p.finder.ask(ctx, s.Addr, p.asked) })
	}
	p.zone = p.finder.authorities(ctx, p.asked)
	p.progress("%d servers of the zone were asked; waiting for the resolvers", len(p.zone))
	all.Wait()
}

// again asks the zone's servers once more where a resolver contradicts them: answers
// that go round are not the same twice, and then nobody is behind.
func (p *probe) again(ctx context.Context) {
	t := newTruth(p.zone, p.layers)
	contradicted := false
	for _, r := range p.layers {
		contradicted = contradicted || r.message != nil && t.judge(r).status == Behind
	}
	if !contradicted {
		return
	}
	p.progress("asking the servers of the zone once more")
	more := make([]*authority, len(p.zone))
	var all sync.WaitGroup
	for i, a := range p.zone {
		all.Go(func() {
			again := *a
			again.reply = p.finder.ask(ctx, a.addr, a.reply.asked)
			again.second = true
			more[i] = &again
		})
	}
	all.Wait()
	p.zone = append(p.zone, more...)
}
