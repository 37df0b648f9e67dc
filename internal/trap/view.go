// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import "github.com/trapbpf/trapbpf/pkg/event"

// Sight says how well a trap is seen on this host.
type Sight string

// How well a trap is seen.
const (
	Sees      Sight = "sees"
	HalfBlind Sight = "half blind"
	Blind     Sight = "blind"
)

// View is how well a detector sees, and what it misses.
type View struct {
	Sight Sight
	// Missing says, for each sight that is gone, what is lost without it.
	Missing []string
}

// ViewOf judges a detector by the hooks that attached. Facts are no hooks, and
// always there.
func ViewOf(d Detector, hooks []event.Hook) View {
	view := View{Sight: Sees}
	for _, need := range d.Needs() {
		if standing(need.Sight, hooks) {
			continue
		}
		view.Missing = append(view.Missing, need.Sight+": "+need.Without)
		if need.Vital {
			view.Sight = Blind
		} else if view.Sight == Sees {
			view.Sight = HalfBlind
		}
	}
	return view
}

// standing tells whether a hook of the sight attached; a sight may have several,
// one per protocol.
func standing(sight string, hooks []event.Hook) bool {
	if sight == "facts" {
		return true
	}
	for _, h := range hooks {
		if h.Sight == sight && h.Rung != "" {
			return true
		}
	}
	return false
}
