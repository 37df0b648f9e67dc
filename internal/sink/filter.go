// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sink

import "github.com/trapbpf/trapbpf/pkg/finding"

// Filter keeps findings of low severity away. It works on findings, not on records:
// who heard of an opened finding must hear that it is resolved.
type Filter struct {
	min finding.Severity
	// told are the findings that passed and are not resolved: no more than the
	// engine has open.
	told map[string]bool
}

// NewFilter gives a filter that lets findings pass once they reach min.
func NewFilter(min finding.Severity) *Filter {
	return &Filter{min: min, told: map[string]bool{}}
}

// Wants tells whether a record passes, and remembers that it did.
func (f *Filter) Wants(r *finding.Record) bool {
	if f.min <= finding.Low { // there is nothing lower, and nothing to remember
		return true
	}
	id := r.Finding.ID
	wanted := f.told[id] || r.Severity >= f.min
	switch {
	case r.Action == finding.Closed:
		delete(f.told, id)
	case wanted:
		f.told[id] = true
	}
	return wanted
}
