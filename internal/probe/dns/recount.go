// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"strings"
	"sync"
	"time"
)

// tick is a little longer than the unit of a TTL.
const tick = 1100 * time.Millisecond

// recount asks the resolvers again after a second where they disagree and the zone is out
// of reach: a cache counts its TTL down, a source does not.
func (p *probe) recount(ctx context.Context) {
	if len(newTruth(p.zone, p.layers).said) > 0 || p.report().Verdict != VerdictDisagree {
		return
	}
	p.progress("the resolvers disagree; seeing whose TTL counts down")
	select {
	case <-ctx.Done():
		return
	case <-time.After(tick):
	}
	later := make([]*reply, len(p.layers))
	var all sync.WaitGroup
	for i, r := range p.layers {
		if r.answered() && len(r.message.final(r.asked)) > 0 {
			all.Go(func() { later[i] = p.finder.ask(ctx, r.server, r.asked) })
		}
	}
	all.Wait()
	p.later = later
}

// sayCaches says whose answer counted down, and whose did not.
func (r *Report) sayCaches(layers, later []*reply) {
	var caches, sources []string
	for i, after := range later {
		if after == nil || !after.answered() {
			continue
		}
		before, now := layers[i].message.final(layers[i].asked), after.message.final(after.asked)
		if len(now) == 0 {
			continue
		}
		if least(now) < least(before) {
			caches = append(caches, r.Servers[i].Server)
			continue
		}
		sources = append(sources, r.Servers[i].Server)
	}
	if len(caches) > 0 && len(sources) > 0 {
		r.say("%s counts its TTL down: a cache, which asks anew when that has run out; %s does not: it is nearer to the source, or has an entry of its own",
			strings.Join(caches, ", "), strings.Join(sources, ", "))
	}
}
