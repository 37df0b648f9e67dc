// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package audit looks over hosts for the traps before anything falls into one: it
// reads settings, routes, devices, firewall rules and sockets, asks the kernel for
// its own verdicts, and sends no traffic but, where asked for names, a few DNS queries.
//
// What it reads comes from the rooms host and firewall as plain values; what it
// concludes from them is a pure function, so that a test can invent a host.
package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/firewall"
	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Level is how bad a result is.
type Level string

// The levels. A risk becomes a fault with traffic that may never come; a fault hurts
// the first connection that meets it. Blind says that it could not be looked at.
const (
	OK    Level = "ok"
	Risk  Level = "risk"
	Fault Level = "fault"
	Blind Level = "blind"
)

// Result is what one check says about one subject.
type Result struct {
	Level Level
	Trap  finding.Trap
	// Cause is the one that was looked for.
	Cause finding.Cause
	// Subject is what it is about: an interface, a chain, a nameserver; "" for the
	// namespace as a whole.
	Subject string
	Message string
	Netns   finding.Netns
	// Evidence, and the steps as in a finding.
	Evidence                      []string
	Fix, Persistent, Undo, Verify []finding.Step
}

// Options say what to audit.
type Options struct {
	Host    *host.Host
	Targets []host.Target
	// Traps are those to look for; empty means all.
	Traps []finding.Trap
	// Name is a host name to ask every nameserver for, "" for none.
	Name string
}

// workers is how many namespaces are read at the same time: reading one is waiting
// for the kernel's locks as much as work.
const workers = 4

// Run audits every target and tells the results in the order of the targets. A
// namespace that goes away meanwhile is told as blind, like one that cannot be
// entered. An error is the context's alone.
func Run(ctx context.Context, o Options, tell func(Result)) error {
	outs := make([]chan []Result, len(o.Targets))
	for i := range outs {
		outs[i] = make(chan []Result, 1)
	}
	shared := &shared{host: o.Host}
	var group sync.WaitGroup
	defer group.Wait()
	tokens := make(chan struct{}, workers)
	group.Go(func() {
		for i, at := range o.Targets {
			tokens <- struct{}{}
			group.Go(func() {
				defer func() { <-tokens }()
				outs[i] <- o.one(ctx, shared, at)
			})
		}
	})
	for _, out := range outs {
		for _, r := range <-out {
			tell(r)
		}
	}
	return ctx.Err()
}

// shared is what is looked up once for all namespaces.
type shared struct {
	host  *host.Host
	once  sync.Once
	veths *host.Veths
	// silent counts namespaces with a nameserver that did not answer.
	silent atomic.Int32
}

func (s *shared) cables() *host.Veths {
	s.once.Do(func() { s.veths = s.host.Veths() })
	return s.veths
}

// one audits a namespace.
func (o Options) one(ctx context.Context, sh *shared, at host.Target) []Result {
	if ctx.Err() != nil {
		return nil
	}
	s, err := collect(ctx, o, sh, at)
	netns := finding.Netns{Inode: uint32(at.Inode), Name: at.Name}
	if err != nil {
		return []Result{{Level: Blind, Netns: netns, Subject: label(at), Message: "the namespace could not be looked at", Evidence: []string{err.Error()}}}
	}
	var results []Result
	for _, c := range checks() {
		if o.wants(c.trap) {
			results = append(results, c.results(s)...)
		}
	}
	for _, why := range s.blind {
		results = append(results, Result{Level: Blind, Message: "could not be read", Evidence: []string{why}})
	}
	for i := range results {
		results[i].Netns = netns
	}
	return results
}

func label(at host.Target) string {
	if at.Name != "" {
		return at.Name
	}
	return fmt.Sprintf("net:[%d]", at.Inode)
}

func (o Options) wants(t finding.Trap) bool {
	for _, one := range o.Traps {
		if one == t {
			return true
		}
	}
	return len(o.Traps) == 0
}

// scene is one namespace as the checks see it: facts alone.
type scene struct {
	*host.Survey
	place trap.Place
	rules *firewall.View
	// partial is true where some rules could not be read: what the others do is true, but
	// that nothing is wrong cannot be said.
	partial bool
	naming  naming
	// peers are the other ends of its veth devices, by index.
	peers map[uint32]host.End
	blind []string
}

// collect reads everything that the checks need.
func collect(ctx context.Context, o Options, sh *shared, at host.Target) (*scene, error) {
	survey, err := o.Host.Survey(at)
	if err != nil {
		return nil, err
	}
	s := &scene{Survey: survey, place: placeOf(survey), peers: map[uint32]host.End{}, blind: survey.Blind}
	err = o.Host.Visit(at, func() error {
		rules, err := firewall.Inspect()
		if err != nil {
			s.blind = append(s.blind, "firewall rules: "+unread(err))
			s.partial = true
		}
		s.rules = rules
		return nil
	})
	if err != nil {
		return nil, err
	}
	if o.wants(finding.DNSCaching) {
		s.collectNaming(ctx, o, sh)
	}
	for i := range survey.Devices {
		d := &survey.Devices[i]
		if d.Type != "veth" || !d.Up {
			continue
		}
		if end, ok := o.Host.Peer(sh.cables(), survey, d); ok {
			s.peers[d.Index] = end
		}
	}
	return s, nil
}

// unread says why rules could not be read, and what is missing for it.
func unread(err error) string {
	if errors.Is(err, unix.EPERM) {
		return "CAP_NET_ADMIN is missing, run it with sudo: " + err.Error()
	}
	return err.Error()
}

// collectNaming reads the namespace's resolv.conf and asks its nameservers, where the
// file is the namespace's own.
func (s *scene) collectNaming(ctx context.Context, o Options, sh *shared) {
	answer, err := o.Host.Answer(ctx, event.Want{Of: event.KindResolver, Netns: s.At.Inode})
	conf, ok := answer.(*event.Resolver)
	if err == nil && !ok {
		err = host.ErrGone
	}
	if err != nil {
		s.blind = append(s.blind, "resolv.conf: "+err.Error())
		return
	}
	s.naming = naming{conf: conf, name: o.Name}
	s.naming.shared = !s.Own && sameFile(conf.Path, "/etc/resolv.conf")
	if s.naming.shared {
		return
	}
	if sh.silent.Load() >= silentNamespaces {
		s.blind = append(s.blind, fmt.Sprintf("nameservers: not asked, since those of %d namespaces before did not answer", silentNamespaces))
		s.naming.shared = true
		return
	}
	err = o.Host.Visit(s.At, func() error {
		s.naming.replies = askAll(conf.Nameservers, o.Name)
		return nil
	})
	if err != nil {
		s.blind = append(s.blind, err.Error())
	}
	for _, r := range s.naming.replies {
		if !r.answered {
			sh.silent.Add(1)
			return
		}
	}
}

// silentNamespaces bounds how often silence is waited for: an audit takes seconds.
const silentNamespaces = 8

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

func placeOf(s *host.Survey) trap.Place {
	if s.Own {
		return trap.Place{Own: true}
	}
	return trap.Place{Enter: finding.Enter{Name: s.At.Name, Path: s.At.Path}}
}
