// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// report judges every answer and says it in words.
func (p *probe) report() *Report {
	r := &Report{Name: p.options.Name, Type: p.options.Type, Says: []string{}}
	t := newTruth(p.zone, p.layers)
	for i, reply := range p.layers {
		row := newRow(reply, r.Name)
		row.Layer = p.options.Servers[i].Layer
		if reply.message != nil {
			r.judge(&row, t.judge(reply))
		}
		r.Servers = append(r.Servers, row)
	}
	if len(t.said) == 0 {
		r.compare(p.layers)
		r.sayCaches(p.layers, p.later)
	}
	r.addZone(p.zone)
	r.complain()
	r.sum()
	r.sayTruth(t)
	return r
}

// judge writes a judgement into a row, and into words.
func (r *Report) judge(row *Row, j judgement) {
	row.Status = j.status
	at := fmt.Sprintf("%s (%s)", row.Server, row.Layer)
	name := ""
	if j.owner != r.Name {
		name = " for " + j.owner
	}
	switch j.status {
	case Behind:
		row.BehindSeconds = j.left
		if len(j.want) == 0 {
			r.say("%s is behind: it still says %s%s, which the zone no longer has, for %s yet", at, list(j.has), name, left(j.left))
			return
		}
		r.say("%s is behind: it still says %s%s, for %s yet; the zone says %s", at, list(j.has), name, left(j.left), list(j.want))
	case Denies:
		row.BehindSeconds = j.left
		r.say("%s denies what exists (negative caching): it says that there is nothing%s, for %s yet; the zone says %s",
			at, name, left(j.left), list(j.want))
	case Differs:
		r.say("%s differs: it says %s%s, the zone says %s: %s", at, list(j.has), name, list(j.want), j.why)
	default:
	}
}

func (r *Report) say(format string, args ...any) {
	r.Says = append(r.Says, fmt.Sprintf(format, args...))
}

// list shows a set, nothing as such.
func list(data []string) string {
	const shown = 4
	switch {
	case len(data) == 0:
		return "nothing"
	case len(data) > shown:
		return fmt.Sprintf("%s and %d more", strings.Join(data[:shown], ", "), len(data)-shown)
	default:
		return strings.Join(data, ", ")
	}
}

// left puts what is left of a TTL into words.
func left(seconds *uint32) string {
	if seconds == nil {
		return "a time that it does not tell"
	}
	if *seconds < 120 {
		return fmt.Sprintf("%d s", *seconds)
	}
	return fmt.Sprintf("%d s (%s)", *seconds, time.Duration(*seconds)*time.Second)
}

// compare groups the resolvers' answers where there is no truth to hold them against.
// Answers with something in common are of one group.
func (r *Report) compare(layers []*reply) {
	var groups [][]int
	for i, reply := range layers {
		if reply.message == nil || r.Servers[i].Status != Current {
			continue
		}
		at := slices.IndexFunc(groups, func(group []int) bool {
			return slices.ContainsFunc(group, func(other int) bool { return r.alike(i, other) })
		})
		if at < 0 {
			groups = append(groups, []int{i})
			continue
		}
		groups[at] = append(groups[at], i)
	}
	if len(groups) < 2 {
		return
	}
	var parts []string
	for _, group := range groups {
		parts = append(parts, r.voice(group))
	}
	r.say("the resolvers disagree: %s. No server of the zone could be asked, so who is behind is not known", strings.Join(parts, "; "))
}

func (r *Report) alike(i, other int) bool {
	a, b := r.Servers[i].Answers, r.Servers[other].Answers
	return overlap(a, b) || len(a) == 0 && len(b) == 0
}

// voice says who says what, and marks them as differing.
func (r *Report) voice(group []int) string {
	var servers []string
	for _, i := range group {
		r.Servers[i].Status = Differs
		servers = append(servers, r.Servers[i].Server+claim(&r.Servers[i]))
	}
	first := &r.Servers[group[0]]
	holds := first.TTLLeft
	if len(first.Answers) == 0 {
		holds = first.NegativeTTLLeft
	}
	return fmt.Sprintf("%s: %s (for %s)", strings.Join(servers, ", "), list(first.Answers), left(holds))
}

// claim marks a server that says of itself that it speaks for the zone.
func claim(row *Row) string {
	if slices.Contains(row.Flags, "AA") {
		return " (with authority, AA)"
	}
	return ""
}

// addZone adds what the zone's servers said. A second asking is shown by what it means
// for the others.
func (r *Report) addZone(zone []*authority) {
	for _, a := range zone {
		if a.second {
			continue
		}
		row := newRow(a.reply, r.Name)
		row.Layer, row.Host, row.Zone = Authority, a.name, a.zone
		switch {
		case a.speaks():
			row.Status = Current
		case a.reply.message != nil:
			row.Status = Lame
		}
		r.Servers = append(r.Servers, row)
	}
	r.quarrel(zone)
}

// quarrel says where servers of one zone contradict each other.
func (r *Report) quarrel(zone []*authority) {
	for i, a := range zone {
		for _, b := range zone[:i] {
			if !a.speaks() || !b.speaks() || a.second || b.second || a.reply.asked != b.reply.asked {
				continue
			}
			one, other := a.said(), b.said()
			if overlap(one, other) || len(one) == 0 && len(other) == 0 {
				continue
			}
			r.contradict(a, b)
			r.say("the zone's own servers disagree: %s (%s) says %s, %s (%s) says %s: one of them has an older copy of the zone, or the zone has an inner and an outer side",
				a.addr.Addr(), a.name, list(one), b.addr.Addr(), b.name, list(other))
			return
		}
	}
}

func (a *authority) said() []string {
	q := a.reply.asked
	return sayingOf(a.addr, a.reply.message.set(q.name, q.kind)).data
}

func (r *Report) contradict(a, b *authority) {
	for i := range r.Servers {
		row := &r.Servers[i]
		if row.Layer == Authority && (row.Server == a.addr.Addr().String() || row.Server == b.addr.Addr().String()) {
			row.Status = Differs
		}
	}
}
