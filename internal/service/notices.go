// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// sameNoticeEvery bounds how often the sinks are told the same thing of the same
	// subject: a sink that comes and goes, or a flood that is lost, is a record a minute.
	sameNoticeEvery = time.Minute
	// maxSubjects bounds what is remembered of that: kinds and stages, hooks, traps and
	// the sinks of a configuration are far fewer.
	maxSubjects = 1024
)

// notices are what the agent tells the sinks of its own state. What is told waits for the
// next flush: who reports may hold the sinks' lock.
type notices struct {
	host finding.Host

	mu      sync.Mutex
	waiting []subject // in the order in which they came up
	newest  map[subject]*finding.Record
	told    map[subject]time.Time
}

// subject is what one notice in a minute is told of.
type subject struct {
	action                  finding.Action
	sink, hook, kind, stage string
	trap                    finding.Trap
}

func newNotices(host finding.Host) *notices {
	return &notices{host: host, newest: map[subject]*finding.Record{}, told: map[subject]time.Time{}}
}

// add tells something: once now, or the newest of it when the minute is over. It says
// whether nothing of that subject was told for a minute.
func (n *notices) add(action finding.Action, severity finding.Severity, message string, about finding.Notice) (fresh bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	of := subject{action, about.Sink, about.Hook, about.Kind, about.Stage, about.Trap}
	if n.newest[of] == nil {
		if len(n.waiting) >= maxSubjects {
			return false
		}
		n.waiting = append(n.waiting, of)
		_, lately := n.told[of]
		fresh = !lately
	}
	r := &finding.Record{Action: action, Time: time.Now().UTC(), Host: n.host, Notice: &about}
	r.Message, r.Severity = message, severity
	n.newest[of] = r
	return fresh
}

// flush gives those that are due to tell.
func (n *notices) flush(now time.Time, tell func(*finding.Record)) {
	for _, r := range n.due(now) {
		tell(r)
	}
}

func (n *notices) due(now time.Time) []*finding.Record {
	n.mu.Lock()
	defer n.mu.Unlock()
	for of, at := range n.told {
		if now.Sub(at) >= sameNoticeEvery {
			delete(n.told, of)
		}
	}
	var due []*finding.Record
	var wait []subject
	for _, of := range n.waiting {
		if _, lately := n.told[of]; lately || len(n.told) >= maxSubjects {
			wait = append(wait, of)
			continue
		}
		r := n.newest[of]
		r.ID = uuid.Must(uuid.NewV7()).String()
		due = append(due, r)
		n.told[of] = now
		delete(n.newest, of)
	}
	n.waiting = wait
	return due
}
