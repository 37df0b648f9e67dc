// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"errors"
	"fmt"
)

// ErrTooLong tells that a document does not fit even when all that may be left out
// is left out.
var ErrTooLong = errors.New("does not fit into one line")

// A squeeze is one step of making a document shorter.
type squeeze struct {
	// text is how many encoded bytes a piece of text keeps.
	text int
	// prose and commands are how many entries each list keeps at least.
	prose, commands int
}

// Fit encodes the document as JSON of at most limit bytes. While it is too long,
// text is shortened and the longest lists lose their last entries: first the words,
// later the commands, of which the first fix goes last. A command is never shortened:
// half a command is a wrong one. What was left out is told in Trapbpf.LeftOut.
//
// It gives ErrTooLong where that is not enough.
func (d *Document) Fit(limit int) ([]byte, error) {
	text, err := EncodeJSON(d)
	if err != nil || len(text) <= limit {
		return text, err
	}
	lists, texts := d.lists(), d.texts()
	for _, s := range [...]squeeze{{1024, 3, 1 << 30}, {256, 1, 1}, {64, 0, 0}} {
		shorten(s.text, texts, lists)
		text, err = d.dropUntil(limit, lists, s)
		if err != nil || len(text) <= limit {
			return text, err
		}
	}
	return d.withoutFix(limit, lists)
}

// withoutFix gives up the one command that is longer than a line may be. The
// finding is still told.
func (d *Document) withoutFix(limit int, lists []*list) ([]byte, error) {
	for _, l := range lists {
		l.spared = false
	}
	text, err := d.dropUntil(limit, lists, squeeze{})
	if err == nil && len(text) > limit {
		return nil, fmt.Errorf("%d bytes, %d allowed: %w", len(text), limit, ErrTooLong)
	}
	return text, err
}

// list is one list of a document that may lose its last entries.
type list struct {
	name    string
	entries *[]string
	// full is what entries were at full length, size what they encode to now.
	full []string
	size int
	lost int
	// command entries are shell lines: dropped late, never shortened.
	command bool
	// addresses are not prose: they are dropped, never shortened.
	addresses bool
	// spared keeps the first entry whatever the squeeze says.
	spared bool
}

func (d *Document) lists() []*list {
	t := &d.Trapbpf
	lists := []*list{
		{name: "evidence", entries: &t.Evidence},
		{name: "against", entries: &t.Against},
		{name: "symptoms", entries: &t.Symptoms},
		{name: "confidence_why", entries: &t.ConfidenceWhy},
		{name: "dns.resolved_ip", entries: &d.DNS.ResolvedIP, addresses: true},
		{name: "fix", entries: &t.Fix, command: true, spared: true},
		{name: "fix_persistent", entries: &t.FixPersistent, command: true},
		{name: "undo", entries: &t.Undo, command: true},
		{name: "verify", entries: &t.Verify, command: true},
	}
	if t.Route != nil {
		lists = append(lists, &list{name: "route.defaults", entries: &t.Route.Defaults},
			&list{name: "route.rules", entries: &t.Route.Rules})
	}
	if t.DNS != nil {
		lists = append(lists, &list{name: "dns.search", entries: &t.DNS.Search},
			&list{name: "dns.current_ip", entries: &t.DNS.CurrentIP, addresses: true},
			&list{name: "dns.other_ip", entries: &t.DNS.OtherIP, addresses: true})
	}
	if t.Ports != nil {
		lists = append(lists, &list{name: "ports.top", entries: &t.Ports.Top})
	}
	for _, l := range lists {
		l.set(*l.entries)
		l.full = *l.entries
	}
	return lists
}

func (l *list) set(entries []string) {
	*l.entries = entries
	l.size = 0
	for _, entry := range entries {
		l.size += encodedSize(entry) + len(`"",`)
	}
}

// dropUntil drops last entries, of the longest list first, until the document fits
// or no list may lose more.
func (d *Document) dropUntil(limit int, lists []*list, s squeeze) ([]byte, error) {
	for {
		d.tell(lists)
		text, err := EncodeJSON(d)
		if err != nil || len(text) <= limit {
			return text, err
		}
		if !drop(lists, len(text)-limit, s) {
			return text, nil
		}
	}
}

// drop takes entries worth at least excess bytes, and tells whether it took any.
func drop(lists []*list, excess int, s squeeze) bool {
	dropped := false
	for excess > 0 {
		longest := longestOf(lists, s)
		if longest == nil {
			break
		}
		excess -= longest.drop()
		dropped = true
	}
	return dropped
}

func longestOf(lists []*list, s squeeze) *list {
	var longest *list
	for _, l := range lists {
		if len(*l.entries) > l.floor(s) && (longest == nil || l.size > longest.size) {
			longest = l
		}
	}
	return longest
}

func (l *list) floor(s squeeze) int {
	floor := s.prose
	if l.command {
		floor = s.commands
	}
	if l.spared {
		floor = max(1, floor)
	}
	return floor
}

func (l *list) drop() int {
	last := len(*l.entries) - 1
	size := encodedSize((*l.entries)[last]) + len(`"",`)
	*l.entries = (*l.entries)[:last]
	l.size -= size
	l.lost++
	return size
}

func (d *Document) tell(lists []*list) {
	d.Trapbpf.LeftOut = nil
	for _, l := range lists {
		if l.lost > 0 {
			d.Trapbpf.LeftOut = append(d.Trapbpf.LeftOut, fmt.Sprintf("%s: %d", l.name, l.lost))
		}
	}
}
