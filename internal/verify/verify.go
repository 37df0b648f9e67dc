// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package verify looks whether a finding's fault is mended: what its verification has a
// person do, done by the machine, now, and without an agent. Paths are probed, the kernel
// is asked what it would do with the packet, sockets are counted, resolvers are asked.
//
// It says "mended" only of what it saw, and "unverified" where only traffic could tell.
package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/remedy"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Verdict is how a verification came out.
type Verdict string

// The verdicts.
const (
	Mended Verdict = "mended"
	// There is a fault that still is.
	There Verdict = "still-there"
	// Unverified tells that it could not be looked at from here.
	Unverified Verdict = "unverified"
)

// Report is the outcome: one flat object with stable names.
type Report struct {
	Timestamp time.Time     `json:"@timestamp"`
	Finding   string        `json:"finding"`
	Trap      finding.Trap  `json:"trap"`
	Cause     finding.Cause `json:"cause"`
	Message   string        `json:"message"`
	Netns     string        `json:"netns,omitempty"`
	Verdict   Verdict       `json:"verdict"`
	// Says tells what was looked at and what was seen, in sentences.
	Says []string `json:"says"`
	// Took is in milliseconds.
	Took float64 `json:"took_ms"`
}

// Options say what to verify.
type Options struct {
	Host    *host.Host
	Finding *finding.Finding
	// Progress is told what is going on, in a few words, "" at the end; nil for nobody.
	Progress func(text string)
}

// Verify looks at the host. Errors wrap host.ErrForbidden, kernel.ErrPrivilege or the
// context's; whatever else keeps it from knowing is in the report.
func Verify(ctx context.Context, o Options) (*Report, error) {
	begun := time.Now()
	f := o.Finding
	j := &job{Options: o, ctx: ctx, report: &Report{
		Timestamp: begun.UTC(), Finding: f.ID, Trap: f.Trap, Cause: f.Cause, Message: f.Message, Netns: f.Netns.Name,
	}}
	verdict, err := j.run()
	if err != nil && !errors.Is(err, host.ErrGone) {
		return nil, err
	}
	if err != nil {
		j.says("its network namespace is gone, and what was wrong in it")
		verdict = Unverified
	}
	j.report.Verdict, j.report.Took = verdict, float64(time.Since(begun).Microseconds())/1000
	return j.report, nil
}

// job is one verification under way.
type job struct {
	Options
	ctx    context.Context
	at     host.Target
	report *Report
}

func (j *job) says(format string, args ...any) {
	j.report.Says = append(j.report.Says, fmt.Sprintf(format, args...))
}

func (j *job) progress(text string) {
	if j.Progress != nil {
		j.Progress(text)
	}
}

// run finds the namespace and hands on to who knows the cause.
func (j *job) run() (Verdict, error) {
	at, found := j.Host.Locate(event.Netns(j.Finding.Netns.Inode))
	if !found {
		return Unverified, host.ErrGone
	}
	j.at = at
	if err := j.Host.Visit(at, func() error { return nil }); err != nil {
		return Unverified, err
	}
	look, known := looks()[j.Finding.Cause]
	if !known {
		return j.byFix()
	}
	return look(j)
}

// looks gives the verification of each cause.
func looks() map[finding.Cause]func(*job) (Verdict, error) {
	return map[finding.Cause]func(*job) (Verdict, error){
		"path-drops-large-packets":         (*job).path,
		"path-drops-large-packets-inbound": (*job).pathBack,
		"link-drops-oversize":              (*job).link,
		"overlay-mtu-mismatch":             (*job).overlay,
		"icmp-dropped-inbound":             (*job).path,
		"icmp-ignored":                     (*job).path,
		"icmp-bogus-mtu":                   (*job).bogus,
		"icmp-dropped-outbound":            (*job).router,
		"icmp-not-sent":                    (*job).router,
		"rp-filter-strict":                 (*job).reverse,
		"martian-source":                   (*job).martian,
		"stateful-firewall-invalid":        (*job).half,
		"multiple-default-routes":          (*job).uplink,
		"stale-answer":                     (*job).stale,
		"resolvers-disagree":               (*job).disagree,
		"negative-cached":                  (*job).denial,
		"ndots-expansion":                  (*job).search,
		"ttl-too-long":                     (*job).lifetime,
		"resolver-unanswered":              (*job).mute,
		"ephemeral-ports-exhausted":        (*job).ports,
		"ephemeral-ports-running-out":      (*job).running,
		"ports-held-by-live-connections":   (*job).ports,
		"bind-pool-exhausted":              (*job).pool,
		"time-wait-bucket-overflow":        (*job).buckets,
	}
}

// byFix is for faults that show in traffic alone: all that can be said is whether a step
// of the fix is in force.
func (j *job) byFix() (Verdict, error) {
	if step, ok := j.inForce(); ok {
		j.says("in force: %s", step.Shell())
		return Mended, nil
	}
	j.says("no step of the fix is in force, and only traffic can tell: see `trapbpf findings`")
	return Unverified, nil
}

// inForce gives the first step of the fix that was carried out: the one that taking its
// undo back would bring about again.
func (j *job) inForce() (finding.Step, bool) {
	for _, undo := range j.Finding.Undo {
		now, err := remedy.Current(j.ctx, undo)
		if err != nil {
			continue // it has nothing to take back, or is for a person
		}
		for _, step := range j.Finding.Fix {
			if same(step, now) {
				return step, true
			}
		}
	}
	return finding.Step{}, false
}

// same tells whether two steps lead to the same: a route that replaces none is added.
func same(a, b finding.Step) bool {
	if route, ok := a.Op.(finding.RouteOp); ok && route.Verb == "replace" {
		route.Verb = "add"
		a.Op = route
	}
	if route, ok := b.Op.(finding.RouteOp); ok && route.Verb == "replace" {
		route.Verb = "add"
		b.Op = route
	}
	return a.Shell() == b.Shell()
}
