// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/json"
	"fmt"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// keptLife is a finding that an earlier run left open.
type keptLife struct {
	key     trap.Key
	at      event.Time // when this run heard of it
	finding finding.Finding
}

// adopt takes in a finding of an earlier run. One that cannot be read, as in a redacted
// recording, is as if it had never been: nothing can be said of it.
func (e *Engine) adopt(k *event.Kept) {
	var f finding.Finding
	if k.Finding == "" || json.Unmarshal([]byte(k.Finding), &f) != nil {
		return
	}
	one := keptLife{
		key:     trap.Key{Cause: finding.Cause(k.Cause), Netns: k.Netns, Subject: k.Subject},
		at:      k.Time,
		finding: f,
	}
	if k.Over != "" {
		e.endKept(one, k.Over)
		return
	}
	e.kept = append(e.kept, one)
}

// recall gives the kept finding of a key, once.
func (e *Engine) recall(key trap.Key) (keptLife, bool) {
	for i, k := range e.kept {
		if k.key == key {
			e.kept = append(e.kept[:i:i], e.kept[i+1:]...)
			return k, true
		}
	}
	return keptLife{}, false
}

// resume goes on with a kept finding: it has its id, and begins where it began.
func (e *Engine) resume(l *life, k keptLife) {
	confirms := l.last.Status == finding.Confirmed && k.finding.Status != finding.Confirmed
	if k.finding.Status == finding.Confirmed {
		l.last.Status = finding.Confirmed
	}
	l.id, l.began, l.count, l.shown = k.finding.ID, k.finding.First, l.count+k.finding.Count, k.finding
	l.last.Severity = max(l.last.Severity, k.finding.Severity)
	e.tell(l, finding.Updated, "seen again after the agent was started anew", confirms)
}

// ageKept resolves what was not seen again for the quiet period.
func (e *Engine) ageKept(now event.Time) {
	e.closeKept(func(k keptLife) bool { return now.Sub(k.at) >= e.quiet },
		fmt.Sprintf("not seen for %s since the agent was started anew", e.quiet))
}

func (e *Engine) closeKept(over func(keptLife) bool, reason string) {
	var rest []keptLife
	for _, k := range e.kept {
		if over(k) {
			e.endKept(k, reason)
			continue
		}
		rest = append(rest, k)
	}
	e.kept = rest
}

func (e *Engine) endKept(k keptLife, reason string) {
	f := k.finding
	f.Status = finding.Resolved
	e.write(f, finding.Closed, reason, false)
}
