// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"slices"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// pages are the records that count: the newest of each finding, those of resolved
// findings up to a number.
type pages struct {
	newest map[string]*finding.Record
	order  []string // ids of open findings, oldest first
	past   []string // ids of resolved findings, oldest first
	// untold are the records that must not be lost and may not be with every sink yet,
	// oldest first.
	untold []*finding.Record
	bytes  int64 // of the file when it was written anew
}

func (p *pages) add(r *finding.Record) {
	if p.newest == nil {
		p.newest = map[string]*finding.Record{}
	}
	id := r.Finding.ID
	if p.newest[id] == nil {
		p.order = append(p.order, id)
	}
	p.newest[id] = r
	if r.Alert || r.Action != finding.Updated {
		p.untold = last(append(p.untold, r), MostUntold)
	}
	if r.Action != finding.Closed {
		return
	}
	p.order = slices.DeleteFunc(p.order, func(other string) bool { return other == id })
	if !slices.Contains(p.past, id) {
		p.past = append(p.past, id)
	}
	for len(p.past) > remembered {
		delete(p.newest, p.past[0])
		p.past = p.past[1:]
	}
}

func last[T any](all []T, n int) []T { return all[max(0, len(all)-n):] }

// inOrder gives the records: resolved findings first, then the open ones.
func (p *pages) inOrder() []*finding.Record {
	var all []*finding.Record
	for _, id := range slices.Concat(p.past, p.order) {
		if r := p.newest[id]; r != nil {
			all = append(all, r)
		}
	}
	return all
}

// open gives the records of open findings.
func (p *pages) open() []*finding.Record {
	return slices.DeleteFunc(p.inOrder(), func(r *finding.Record) bool { return r.Action == finding.Closed })
}
